/**
 * The clients: each with a session and a cookie of its own.
 *
 * A contender without sessions has one answer for all of them, that of index 0.
 *
 * @module
 */
import { runLoad } from './load.js'

/** Makes visitors and, where there are sessions, one for each. @throws Error when that fails */
export async function seedVisitors (contender, count) {
  const visitors = Array.from({ length: count }, (_, index) => ({ index: contender.hasSessions ? index : 0, n: 0, next: 0, cookie: '', access: '' }))
  if (!contender.hasSessions) return visitors
  await once(contender, visitors, SEED)
  if (visitors.some(({ cookie }) => cookie === '')) throw new Error(`${contender.name}: a session was made without a cookie`)
  if (contender.workloads.includes('read')) await checkStored(contender, visitors)
  if (contender.workloads.includes('verify')) await once(contender, visitors, SEED_TOKENS)
  return visitors
}

/** Reads every session. @throws Error when one does not hold what was last written to it */
export async function checkStored (contender, visitors) {
  await once(contender, visitors, WORKLOADS_BY_NAME.read)
}

/** One request of each visitor. @throws Error when one is not answered as it should be */
export async function once (contender, visitors, workload) {
  const { failures, example } = await runLoad({ port: contender.port, connections: Math.min(16, visitors.length), visitors, workload, rounds: 1 })
  if (failures > 0) throw new Error(`${contender.name}: ${failures} of ${visitors.length} sessions are not as they should be: ${example}`)
}

const SEED = {
  request: ({ index, cookie }) => requestOf('POST', `/seed/${index}`, cookie),
  expected: () => '{}'
}

const SEED_TOKENS = {
  request: ({ index }) => requestOf('POST', `/seed-tokens/${index}`, ''),
  expected: () => '{}',
  takes: 'access'
}

/** What a visitor of a contender without tokens sends: nobody looks at it, but it is as long. */
const UNREAD = `access=${'x'.repeat(600)}`

/** `takes`: the field of the visitor that a cookie goes to; default `cookie`. `request`: its text. `expected`: the one right body. `answered`: called when that body has come. */
export const WORKLOADS_BY_NAME = {
  read: {
    request: ({ cookie }) => requestOf('GET', '/read', cookie),
    expected: ({ index, n }) => `{"index":${index},"theme":"dark","n":${n}}`
  },
  write: {
    request: (visitor) => requestOf('POST', `/write/${++visitor.next}`, visitor.cookie),
    expected: ({ next }) => `{"n":${next}}`,
    answered (visitor) { if (visitor.cookie !== '') visitor.n = visitor.next }
  },
  anonymous: {
    request: () => requestOf('GET', '/anonymous', ''),
    expected: () => '{"theme":"light"}',
    setsNoCookie: true
  },
  verify: {
    request: ({ access }) => requestOf('GET', '/verify', '', `Authorization: Bearer ${(access || UNREAD).slice('access='.length)}\r\n`),
    expected: () => '{"verified":true}',
    setsNoCookie: true
  },
  rotate: {
    request: ({ index }) => requestOf('POST', `/rotate/${index}`, ''),
    expected: () => '{"rotated":true}',
    setsNoCookie: true
  }
}

/** The text of a request. */
export function requestOf (method, path, cookie, header = '') {
  const length = method === 'POST' ? 'Content-Length: 0\r\n' : ''
  const cookies = cookie === '' ? '' : `Cookie: ${cookie}\r\n`
  return `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\n${length}${cookies}${header}\r\n`
}
