import { request } from 'node:http'
import { text } from 'node:stream/consumers'

/** One request to a contender, however long it takes; resolves to its status, its cookie and what its JSON says. */
export function send ({ port }, method, path, headers = {}) {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
      text(answer).then((body) => resolve({ status: answer.statusCode, cookie: answer.headers['set-cookie']?.[0].split(';')[0] ?? null, body: JSON.parse(body) })).catch(reject)
    })
    sent.on('error', reject)
    sent.end()
  })
}
