import t from 'tap'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { StoreError } from '../../src/core/errors.js'
import { beginSession, cookieOf, openService, PRODUCTION } from '../helpers/service-app.js'

const STRANGER = { id: null, isNew: true, userId: null, createdAt: null, expiresAt: null, values: {} }

/** Counts the rows that began. */
class CountingStore extends MemoryStore {
  created = 0
  override async create (...given: Parameters<MemoryStore['create']>) {
    this.created++
    return await super.create(...given)
  }
}

void t.test('GET /session tells a stranger that there is nothing, and sets no cookie', async (t) => {
  const app = await openService(t)
  const answer = await app.inject('/session')
  t.equal(answer.statusCode, 200)
  t.strictSame(answer.json(), STRANGER)
  t.equal(answer.headers['set-cookie'], undefined)
  t.equal(answer.headers['cache-control'], 'no-store')
})

void t.test('PATCH /session begins a session, saved before the answer, with a cookie', async (t) => {
  const store = new MemoryStore()
  const app = await openService(t, { store })
  const answer = await app.inject({ method: 'PATCH', url: '/session', payload: { set: { colour: 'silver', n: { deep: [1, null] } } } })
  t.equal(answer.statusCode, 200)
  const body = answer.json<{ id: string, createdAt: string, expiresAt: string }>()
  t.match(body, { id: /^[0-9a-f-]{36}$/, isNew: false, userId: null, values: { colour: 'silver', n: { deep: [1, null] } } })
  t.equal(new Date(body.createdAt).toISOString(), body.createdAt, 'instants are ISO 8601 in UTC')
  t.equal(Date.parse(body.expiresAt) - Date.parse(body.createdAt), 86_400_000)
  t.strictSame((await store.get(body.id))?.values, { colour: 'silver', n: { deep: [1, null] } })
  t.match(String(answer.headers['set-cookie']), /^sid=.*; Path=\/; HttpOnly; SameSite=Lax$/)
  const again = await app.inject({ url: '/session', headers: { cookie: cookieOf(answer) } })
  t.match(again.json(), { id: body.id, isNew: false, values: { colour: 'silver' } })
  t.equal(again.headers['set-cookie'], undefined)
})

void t.test('PATCH /session sets and unsets, and takes no body at all', async (t) => {
  const app = await openService(t)
  const cookie = await beginSession(app, { a: 1, b: 2 })
  const patch = async (payload?: object) => (await app.inject({ method: 'PATCH', url: '/session', headers: { cookie }, ...(payload !== undefined && { payload }) })).json()
  t.strictSame((await patch({ set: { c: 3 }, unset: ['a', 'never there'] })).values, { b: 2, c: 3 })
  t.strictSame((await patch()).values, { b: 2, c: 3 })
  t.strictSame((await patch({})).values, { b: 2, c: 3 })
  t.strictSame((await patch({ unset: [] })).values, { b: 2, c: 3 })
  const typed = await app.inject({ method: 'PATCH', url: '/session', headers: { cookie, 'content-type': 'application/json', 'content-length': '0' } })
  t.equal(typed.statusCode, 200, 'an absent body that is called JSON')
  const nothing = await app.inject({ method: 'PATCH', url: '/session', headers: { cookie, 'content-type': 'application/json' }, payload: 'null' })
  t.strictSame(nothing.json().values, { b: 2, c: 3 }, 'null is an absent body, here as everywhere')
})

void t.test('attack: after DELETE /session while the session is blocked, its cookie is dead when the block is lifted', async (t) => {
  const store = new MemoryStore()
  const app = await openService(t, { store })
  const cookie = await beginSession(app)
  const { id } = (await app.inject({ url: '/session', headers: { cookie } })).json<{ id: string }>()
  await store.block(id, 'test')
  const answer = await app.inject({ method: 'DELETE', url: '/session', headers: { cookie } })
  t.match(answer, { statusCode: 204, headers: { 'set-cookie': /^sid=; / } })
  t.equal(await store.unblock(id), false)
  t.match((await app.inject({ url: '/session', headers: { cookie } })).json(), { isNew: true })
})

void t.test('DELETE /session takes no members: with any the session lives on', async (t) => {
  const app = await openService(t)
  const cookie = await beginSession(app)
  t.match((await app.inject({ method: 'DELETE', url: '/session', headers: { cookie }, payload: { zzz: 1 } })).json(), { status: 400, code: 'ERR_VALIDATION', field: 'zzz' })
  t.match((await app.inject({ url: '/session', headers: { cookie } })).json(), { values: { colour: 'silver' } })
  t.equal((await app.inject({ method: 'DELETE', url: '/session', headers: { cookie }, payload: {} })).statusCode, 204)
})

void t.test('nothing to do for a stranger stores no row', async (t) => {
  const store = new CountingStore()
  const app = await openService(t, { store })
  for (const payload of [undefined, {}, { set: {} }, { unset: ['a'] }, { set: {}, unset: [] }]) {
    const answer = await app.inject({ method: 'PATCH', url: '/session', ...(payload !== undefined && { payload }) })
    t.strictSame(answer.json(), STRANGER)
    t.equal(answer.headers['set-cookie'], undefined)
  }
  t.equal((await app.inject({ method: 'DELETE', url: '/session' })).statusCode, 204)
  await app.inject('/')
  t.equal(store.created, 0)
})

void t.test('DELETE /session ends the session, and its cookie with it', async (t) => {
  const app = await openService(t)
  const cookie = await beginSession(app)
  const answer = await app.inject({ method: 'DELETE', url: '/session', headers: { cookie } })
  t.equal(answer.statusCode, 204)
  t.match(String(answer.headers['set-cookie']), /^sid=; Max-Age=0; Path=\/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax$/)
  t.strictSame((await app.inject({ url: '/session', headers: { cookie } })).json(), STRANGER, 'the old cookie is a stranger')
  t.equal((await app.inject({ method: 'DELETE', url: '/session', headers: { cookie } })).statusCode, 204, 'ending it again too')
})

void t.test('the service keeps keys that begin with "_" to itself', async (t) => {
  const store = new MemoryStore()
  const app = await openService(t, { store })
  const cookie = await beginSession(app)
  await app.inject({ url: '/', headers: { cookie } })
  const { id, values } = (await app.inject({ url: '/session', headers: { cookie } })).json<{ id: string, values: object }>()
  t.strictSame(values, { colour: 'silver' }, 'GET hides them')
  t.equal((await store.get(id))?.values['_visits'], 1)
  for (const payload of [{ set: { _visits: 9 } }, { unset: ['_visits'] }, { set: { _: 1 } }]) {
    const answer = await app.inject({ method: 'PATCH', url: '/session', headers: { cookie }, payload })
    t.match(answer, { statusCode: 400 })
    t.match(answer.json(), { code: 'ERR_VALIDATION', field: /^_/ })
  }
  t.strictSame((await app.inject({ method: 'PATCH', url: '/session', headers: { cookie }, payload: { set: { a: 1 } } })).json().values, { colour: 'silver', a: 1 }, 'PATCH hides them')
})

void t.test('a value that cannot be stored is refused by its key, and nothing of the change is saved', async (t) => {
  const app = await openService(t)
  const cookie = await beginSession(app, { before: 1 })
  const tooMany = Object.fromEntries(Array.from({ length: 256 }, (_, i) => [`k${i}`, i]))
  for (const [key, set] of [
    ['nul', { first: 1, nul: '\0' }], ['half', { first: 1, half: '\ud800' }], ['deep', { first: 1, deep: JSON.parse('['.repeat(40) + ']'.repeat(40)) }],
    ['big', { first: 1, big: 'x'.repeat(65_536) }], ['k255', tooMany]
  ] as const) {
    const answer = await app.inject({ method: 'PATCH', url: '/session', headers: { cookie }, payload: { set, unset: key === 'k255' ? [] : ['before'] } })
    t.match(answer.json(), { status: 422, code: 'ERR_SESSION_VALUE', field: key })
    t.strictSame((await app.inject({ url: '/session', headers: { cookie } })).json().values, { before: 1 }, `after ${key}`)
  }
  const stranger = await app.inject({ method: 'PATCH', url: '/session', payload: { set: { first: 1, nul: '\0' } } })
  t.equal(stranger.statusCode, 422)
  t.equal(stranger.headers['set-cookie'], undefined, 'nor does a session begin')
})

void t.test('a session that would grow over 256 KiB stays as it was', async (t) => {
  const app = await openService(t)
  const cookie = await beginSession(app, Object.fromEntries(['a', 'b', 'c', 'd'].map((key) => [key, 'x'.repeat(60_000)])))
  const answer = await app.inject({ method: 'PATCH', url: '/session', headers: { cookie }, payload: { set: { e: 'x'.repeat(60_000) } } })
  t.match(answer.json(), { status: 413, code: 'ERR_SESSION_TOO_LARGE' })
  t.strictSame(Object.keys((await app.inject({ url: '/session', headers: { cookie } })).json().values), ['a', 'b', 'c', 'd'])
})

void t.test('a session that ends while it is patched answers 409 and no cookie', async (t) => {
  class EndingStore extends MemoryStore {
    override async save (...given: Parameters<MemoryStore['save']>) {
      await this.delete(given[0])
      return await super.save(...given)
    }
  }
  const app = await openService(t, { store: new EndingStore() })
  const cookie = await beginSession(app)
  const answer = await app.inject({ method: 'PATCH', url: '/session', headers: { cookie }, payload: { set: { late: 1 } } })
  t.match(answer.json(), { status: 409, code: 'ERR_SESSION_GONE' })
  t.equal(answer.headers['set-cookie'], undefined)
})

void t.test('with the storage broken every answer is 503 with Retry-After, and no cookie is touched', async (t) => {
  class BrokenStore extends MemoryStore {
    isBroken = false
    #check (): void { if (this.isBroken) throw new StoreError('test', new Error('hunter2')) }
    override async get (...given: Parameters<MemoryStore['get']>) { this.#check(); return await super.get(...given) }
    override async create (...given: Parameters<MemoryStore['create']>) { this.#check(); return await super.create(...given) }
    override async delete (...given: Parameters<MemoryStore['delete']>) { this.#check(); return await super.delete(...given) }
  }
  const store = new BrokenStore()
  const app = await openService(t, { store })
  const cookie = await beginSession(app)
  store.isBroken = true
  for (const [method, url, headers] of [
    ['GET', '/session', { cookie }], ['GET', '/', { cookie }], ['DELETE', '/session', { cookie }], ['PATCH', '/session', { cookie }], ['PATCH', '/session', {}]
  ] as const) {
    const answer = await app.inject({ method, url, headers, ...(method === 'PATCH' && { payload: { set: { a: 1 } } }) })
    t.match(answer, { statusCode: 503, headers: { 'retry-after': /^\d+$/, 'cache-control': 'no-store', 'content-type': /^application\/problem\+json/ } }, `${method} ${url}`)
    t.match(answer.json(), { code: 'ERR_STORE' })
    t.equal(answer.headers['set-cookie'], undefined)
    t.notMatch(answer.body, 'hunter2')
    t.match(answer.headers, { 'x-request-id': /./, 'content-security-policy': /./ }, 'the headers of every answer stay')
  }
  t.equal((await app.inject('/session')).statusCode, 200, 'a stranger who only looks needs no storage')
  store.isBroken = false
  t.match((await app.inject({ url: '/session', headers: { cookie } })).json(), { values: { colour: 'silver' } }, 'and the session is still there')
})

void t.test('attack: a request from another site is refused and changes nothing', async (t) => {
  const app = await openService(t)
  const cookie = await beginSession(app)
  for (const [method, headers] of [
    ['PATCH', { 'sec-fetch-site': 'cross-site' }], ['DELETE', { 'sec-fetch-site': 'same-site' }], ['DELETE', { origin: 'https://evil.example' }], ['PATCH', { origin: 'null' }]
  ] as const) {
    const answer = await app.inject({ method, url: '/session', headers: { cookie, ...headers }, ...(method === 'PATCH' && { payload: { set: { colour: 'red' } } }) })
    t.match(answer.json(), { status: 403, code: 'ERR_CROSS_SITE' })
    t.equal(answer.headers['access-control-allow-origin'], undefined)
  }
  t.match((await app.inject({ url: '/session', headers: { cookie } })).json(), { values: { colour: 'silver' } })
})

void t.test('in production the cookie is __Host-sid, Secure', async (t) => {
  const env = { ...PRODUCTION, TRUST_PROXY: 'loopback' }
  const app = await openService(t, { env })
  const answer = await app.inject({ method: 'PATCH', url: '/session', payload: { set: { a: 1 } }, headers: { 'x-forwarded-proto': 'https', host: 'app.example.com' } })
  t.match(String(answer.headers['set-cookie']), /^__Host-sid=[^;]+; Max-Age=86400; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
})

void t.test('sealed, a merely signed cookie is a stranger', async (t) => {
  const signed = await openService(t)
  const sealed = await openService(t, { env: { SESSION_ENCRYPTION_KEYS: 'n3Uu4g5nEopvNJmFyKS4vHRhSAZpQh1cSIzvy3X8Ctk' } })
  const cookie = await beginSession(sealed)
  t.match((await sealed.inject({ url: '/session', headers: { cookie } })).json(), { values: { colour: 'silver' } })
  t.strictSame((await sealed.inject({ url: '/session', headers: { cookie: await beginSession(signed) } })).json(), STRANGER)
})
