/** Runs sessions where no prototype can be changed, as hardened applications do; prints "done". Started by a test. */
import Fastify from 'fastify'
import { randomBytes } from 'node:crypto'
import { sessions } from '../../src/plugins/sessions.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { anySession, Browser } from '../helpers/session-app.js'

const NAMES = ['constructor', 'toString', 'hasOwnProperty', 'valueOf']

const app = Fastify()
await app.register(sessions, { store: new MemoryStore(), authKey: randomBytes(32), encryptionKey: randomBytes(32) })
app.post('/put', async (request) => {
  const session = anySession(request)
  for (const name of NAMES) session.set(name, { [name]: name, a: 1 })
  await session.update('toString', (value) => value)
  session.setUserId('ada')
})
app.get('/look', async (request) => ({ user: request.session.userId, values: NAMES.map((name) => anySession(request).get(name)) }))
await app.ready()

Object.freeze(Object.prototype)
Object.freeze(Array.prototype)

const browser = new Browser(app)
const put = await browser.post('/put')
const look = await browser.get('/look', { headers: { cookie: `${browser.header}; __proto__=x; constructor=y` } })
const wanted = JSON.stringify({ user: 'ada', values: NAMES.map((name) => ({ [name]: name, a: 1 })) })
process.stdout.write(put.statusCode === 200 && look.body === wanted ? 'done' : `${put.body}\n${look.body}\n${wanted}`)
await app.close()
