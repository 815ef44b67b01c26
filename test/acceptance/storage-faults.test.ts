import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import type pg from 'pg'
import t from 'tap'
import type { Test } from 'tap'
import { sessions } from '../../src/plugins/sessions.js'
import { createManager } from '../../src/session/session-manager.js'
import { migrate } from '../../src/stores/postgres/migrate.js'
import { PostgresStore } from '../../src/stores/postgres/store.js'
import { freshDatabase } from '../helpers/database.js'
import { openFaultProxy } from '../helpers/fault-proxy.js'
import type { FaultProxy } from '../helpers/fault-proxy.js'

const AUTH_KEY = randomBytes(32)

interface Setting { readonly app: FastifyInstance, readonly proxy: FaultProxy, readonly pool: pg.Pool }

/** An application whose store reaches PostgreSQL through the proxy. */
async function open (t: Test): Promise<Setting> {
  const { connectionString, pool } = await freshDatabase(t, { prepare: async (connectionString) => await migrate({ connectionString }) })
  const proxy = await openFaultProxy(t, connectionString)
  const app = Fastify()
  await app.register(sessions, { store: new PostgresStore({ connectionString: proxy.connectionString, max: 4 }), authKey: AUTH_KEY, secure: false, refreshInterval: 0 })
  app.get('/', async (request) => ({ values: request.session.values }))
  app.post<{ Body: Record<string, number> }>('/set', async (request, reply) => {
    for (const [key, value] of Object.entries(request.body)) request.session.set(key, value)
    reply.header('x-from-handler', 'yes').header('content-disposition', 'attachment').setCookie('theme', 'dark')
    reply.header('access-control-allow-origin', 'https://app.example').header('vary', 'Origin')
    return { said: 'the handler’s own' }
  })
  app.post('/destroy', async (request) => { await request.session.destroy(); return {} })
  t.teardown(async () => { await app.close() })
  return { app, proxy, pool }
}

async function begin (app: FastifyInstance): Promise<string> {
  return (await app.inject({ method: 'POST', url: '/set', payload: { first: 1 } })).cookies.find(({ name }) => name === 'sid')?.value ?? ''
}

async function valuesOf (pool: pg.Pool): Promise<unknown[]> {
  return (await pool.query<{ values: unknown }>('SELECT "values" FROM sessions')).rows.map((row) => row.values)
}

t.test('a save whose connection is cut before it is sent answers 503, with nothing of the handler’s and nothing written', async (t) => {
  const { app, proxy, pool } = await open(t)
  const cookie = await begin(app)
  proxy.judge = (text) => /UPDATE/.test(text) || /silverback_save/.test(text) ? 'cut' : 'pass'
  const answer = await app.inject({ method: 'POST', url: '/set', payload: { second: 2 }, cookies: { sid: cookie } })
  t.match(answer, { statusCode: 503, headers: { 'content-type': 'application/problem+json; charset=utf-8', 'retry-after': /^\d+$/, 'cache-control': 'no-store' } })
  t.match(answer.json(), { status: 503, code: 'ERR_STORE', title: 'Service Unavailable' })
  t.notOk(answer.headers['x-from-handler'] ?? answer.headers['content-disposition'] ?? answer.headers['set-cookie'], 'nothing that the handler set')
  t.match(answer.headers, { 'access-control-allow-origin': 'https://app.example', vary: 'Origin' }, 'the browser may still read it')
  t.strictSame(await valuesOf(pool), [{ first: 1 }], 'nothing half-written')
  proxy.judge = () => 'pass'
  t.equal((await app.inject({ method: 'POST', url: '/set', payload: { second: 2 }, cookies: { sid: cookie } })).statusCode, 200, 'and it recovers by itself')
  t.strictSame(await valuesOf(pool), [{ first: 1, second: 2 }])
})

t.test('a save whose answer is lost answers 503 and sets no cookie, though it may be written', async (t) => {
  const { app, proxy, pool } = await open(t)
  proxy.judge = (text) => /INSERT/.test(text) ? 'cutAfter' : 'pass'
  const answer = await app.inject({ method: 'POST', url: '/set', payload: { first: 1 } })
  t.equal(answer.statusCode, 503)
  t.equal(answer.headers['set-cookie'], undefined)
  t.ok((await valuesOf(pool)).length <= 1, 'at most one row')
})

t.test('an end that storage did not confirm is a 503 that keeps the cookie, never a success', async (t) => {
  const { app, proxy, pool } = await open(t)
  const cookie = await begin(app)
  proxy.judge = (text) => /DELETE|silverback_delete/.test(text) ? 'cut' : 'pass'
  const answer = await app.inject({ method: 'POST', url: '/destroy', cookies: { sid: cookie } })
  t.equal(answer.statusCode, 503)
  t.equal(answer.headers['set-cookie'], undefined)
  t.equal((await valuesOf(pool)).length, 1)
})

t.test('a slide that fails fails nothing', async (t) => {
  const { app, proxy } = await open(t)
  const cookie = await begin(app)
  proxy.judge = (text) => /UPDATE|silverback_slide/.test(text) ? 'cut' : 'pass'
  const answer = await app.inject({ url: '/', cookies: { sid: cookie } })
  t.match(answer, { statusCode: 200, body: '{"values":{"first":1}}' })
  t.equal(answer.headers['set-cookie'], undefined)
})

t.test('a server that falls silent is given up at the deadline of 2.5 s, and its connections are not used again', async (t) => {
  const { app, proxy } = await open(t)
  const cookie = await begin(app)
  proxy.freeze()
  const startedAt = performance.now()
  const answers = await Promise.all(Array.from({ length: 50 }, async () => await app.inject({ url: '/', cookies: { sid: cookie } })))
  t.ok(performance.now() - startedAt < 4_500, 'within the deadline')
  t.ok(answers.every(({ statusCode, headers }) => statusCode === 503 && headers['set-cookie'] === undefined))
  proxy.thaw()
  const after = await Promise.all(Array.from({ length: 100 }, async () => await app.inject({ url: '/', cookies: { sid: cookie } })))
  t.ok(after.every(({ statusCode }) => statusCode === 200))
})

t.test('updates that queue behind one another on a silent server share one deadline', async (t) => {
  const { app, proxy, pool } = await open(t)
  app.post('/increment', async (request) => ({ count: await request.session.update('count', (n = 0) => n + 1) }))
  const cookie = await begin(app)
  proxy.judge = (text) => {
    if (/silverback_save|UPDATE/.test(text)) proxy.freeze()
    return 'pass'
  }
  const startedAt = performance.now()
  const took: number[] = []
  await Promise.all(Array.from({ length: 20 }, async () => {
    const { statusCode } = await app.inject({ method: 'POST', url: '/increment', cookies: { sid: cookie } })
    took.push(performance.now() - startedAt)
    t.equal(statusCode, 503)
  }))
  t.ok(Math.max(...took) < 4_500, `the last after ${Math.round(Math.max(...took))} ms`)
  proxy.judge = () => 'pass'
  proxy.thaw()
  // of what was given up, at most what was under way was committed
  const [values] = await valuesOf(pool)
  const { count = 0 } = values as { count?: number }
  t.ok(count <= 20)
  const after = await app.inject({ method: 'POST', url: '/increment', cookies: { sid: cookie } })
  t.equal(after.statusCode, 200)
})

t.test('a cleanup that hangs on a silent server does not hold up the close', async (t) => {
  const { connectionString } = await freshDatabase(t, { prepare: async (connectionString) => await migrate({ connectionString }) })
  const proxy = await openFaultProxy(t, connectionString)
  const manager = createManager(new PostgresStore({ connectionString: proxy.connectionString }), { authKey: AUTH_KEY, cleanupInterval: 1 })
  const isWorking = new Promise<void>((resolve) => {
    proxy.judge = (text) => {
      if (/cleanup/.test(text)) { proxy.freeze(); resolve() }
      return 'pass'
    }
  })
  await isWorking
  const startedAt = performance.now()
  await manager.close()
  t.ok(performance.now() - startedAt < 4_000, `closed after ${Math.round(performance.now() - startedAt)} ms`)
})

t.test('a database that goes away and comes back is 503 meanwhile, with visitors served, and the process lives', async (t) => {
  const { app, proxy } = await open(t)
  const cookie = await begin(app)
  proxy.cut()
  t.equal((await app.inject({ url: '/', cookies: { sid: cookie } })).statusCode, 503)
  t.equal((await app.inject('/')).statusCode, 200, 'a visitor needs no storage')
  proxy.restore()
  t.equal((await app.inject({ url: '/', cookies: { sid: cookie } })).statusCode, 200)
})

t.test('a row that was edited to hold no object belongs to a stranger, and is ended', async (t) => {
  const { app, pool } = await open(t)
  for (const broken of ['null', '[1]', '"x"', '5']) {
    const cookie = await begin(app)
    await pool.query('UPDATE sessions SET "values" = $1::jsonb', [broken])
    const answer = await app.inject({ url: '/', cookies: { sid: cookie } })
    t.match(answer, { statusCode: 200, body: '{"values":{}}' })
    t.equal(answer.headers['set-cookie'], undefined)
    t.strictSame(await valuesOf(pool), [], broken)
  }
})

t.test('a row that is edited to hold no object while a request is under way is no 500', async (t) => {
  const { app, pool } = await open(t)
  app.get('/spoil', async ({ session }) => {
    await pool.query('UPDATE sessions SET "values" = \'null\'')
    session.touch()
    await session.save()
    return session.values
  })
  const cookie = await begin(app)
  t.match(await app.inject({ url: '/spoil', cookies: { sid: cookie } }), { statusCode: 200, body: '{}' })
})

t.test('flood: 10,000 requests with no, random, forged and wrongly signed cookies cause no query and no row', async (t) => {
  const { app, proxy, pool } = await open(t)
  const good = await begin(app)
  const other = Fastify()
  const { MemoryStore } = await import('../../src/stores/memory/store.js')
  await other.register(sessions, { store: new MemoryStore(), authKey: randomBytes(32), secure: false })
  other.get('/', async (request) => { request.session.set('x', 1); return {} })
  const foreign = (await other.inject('/')).cookies[0]?.value ?? ''
  await other.close()
  const before = proxy.statements
  const hostile = [
    () => undefined,
    () => randomBytes(87).toString('base64url'),
    () => `${randomBytes(54).toString('base64url')}.${randomBytes(32).toString('base64url')}`,
    () => flip(good, Math.floor(Math.random() * good.length)),
    () => good.slice(0, -1),
    () => foreign
  ]
  for (let round = 0; round < 100; round++) {
    const answers = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
      const cookie = hostile[i % hostile.length]?.()
      return await app.inject({ url: '/', ...(cookie !== undefined && { headers: { cookie: `sid=${cookie}` } }) })
    }))
    if (!answers.every(({ statusCode, headers }) => statusCode === 200 && headers['set-cookie'] === undefined)) t.fail(`round ${round}: not answered as a stranger`)
  }
  t.equal(proxy.statements, before, 'no statement')
  t.equal((await valuesOf(pool)).length, 1, 'no row')
})

function flip (text: string, at: number): string {
  return text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
}
