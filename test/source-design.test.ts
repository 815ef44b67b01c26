import { readFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import t from 'tap'
import * as silverback from '../src/index.js'
import { MemoryStore, MemoryTokenStore, migrate, PostgresStore, sessions, tokens } from '../src/index.js'
import { openService } from './helpers/service-app.js'
import { freshDatabase } from './helpers/database.js'

interface Statement { readonly kind: string, readonly design: string, readonly evidence: string }

const TABLE = readFileSync(join(import.meta.dirname, '../docs/source-design.md'), 'utf8').split('\n')
  .filter((line) => /^\| (?:field|method|option|column|check|route) \|/.test(line))
  .map((line): Statement => {
    const [kind = '', design = '', , evidence = ''] = line.split('|').slice(1, -1).map((cell) => cell.trim())
    return { kind, design, evidence: evidence.replaceAll('`', '') }
  })

const authKey = randomBytes(32)

/** An application with one route that hands its request out. */
async function openApplication (): Promise<{ app: FastifyInstance, request: FastifyRequest, tokenStore: MemoryTokenStore }> {
  const app = Fastify()
  const store = new MemoryStore()
  const tokenStore = new MemoryTokenStore({ store })
  await app.register(sessions, { store, authKey, secure: false })
  await app.register(tokens, { store: tokenStore, issuer: 'https://silverback.example', audience: 'tests', signingKeys: randomBytes(32), refreshKey: randomBytes(32) })
  let seen: FastifyRequest | undefined
  app.get('/', async (request) => { seen = request; return {} })
  await app.inject('/')
  if (seen === undefined) throw new Error('the route was not reached')
  return { app, request: seen, tokenStore }
}

t.test('the table has a row for each statement of the design', async (t) => {
  t.ok(TABLE.length > 45, `${TABLE.length} rows`)
  for (const { design, evidence } of TABLE) t.ok(evidence.length > 0, `${design} says where it is`)
})

t.test('fields and methods are there', async (t) => {
  const { app, request, tokenStore } = await openApplication()
  t.teardown(() => app.close())
  const objects: Record<string, object> = { session: request.session, manager: app.sessions, store: app.sessions.store, tokens: app.tokens, tokenStore, app }
  for (const { kind, design, evidence } of TABLE) {
    const [owner = '', member = ''] = evidence.split('.')
    if ((kind !== 'field' && kind !== 'method') || evidence.startsWith('export ')) continue
    const object = objects[owner]
    t.ok(object !== undefined && member in object, `${design}: ${evidence}`)
    if (kind === 'method' && object !== undefined) t.type(Reflect.get(object, member), 'function', evidence)
  }
})

t.test('what the design exports is exported', async (t) => {
  for (const { evidence } of TABLE) {
    if (evidence.startsWith('export ')) t.type(Reflect.get(silverback, evidence.slice('export '.length)), 'function', evidence)
  }
})

t.test('each option is known: a wrong value is refused by its name', async (t) => {
  for (const { kind, evidence } of TABLE) {
    if (kind !== 'option') continue
    const name = evidence.replace(/^(?:store )?option /, '')
    if (evidence.startsWith('store ')) {
      t.throws(() => new PostgresStore({ connectionString: 'postgres://localhost/x', [name]: 'No Name' }), { name: 'TypeError', message: new RegExp(name) })
    } else {
      const app = Fastify()
      await t.rejects(async () => { await app.register(sessions, { store: new MemoryStore(), authKey, [name]: Symbol('wrong') }) }, { name: 'TypeError', message: new RegExp(`"${name}" option`) }, name)
    }
  }
})

t.test('each column is there, with its type and a comment', async (t) => {
  const { pool } = await freshDatabase(t, { prepare: async (connectionString) => await migrate({ connectionString }) })
  const { rows } = await pool.query<{ name: string, type: string, comment: string | null }>(`
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, col_description(a.attrelid, a.attnum) AS comment
    FROM pg_attribute a WHERE a.attrelid = 'sessions'::regclass AND a.attnum > 0`)
  for (const { kind, evidence } of TABLE) {
    if (kind !== 'column') continue
    const [, name = '', ...type] = evidence.split(' ')
    const column = rows.find((row) => row.name === name)
    t.equal(column?.type, type.join(' '), evidence)
    t.ok(column?.comment, `${name} says what it is`)
  }
})

t.test('each route is there', async (t) => {
  const app = await openService(t)
  for (const { kind, evidence } of TABLE) {
    if (kind !== 'route') continue
    const [, method = '', url = ''] = evidence.split(' ')
    t.ok(app.hasRoute({ method, url }), evidence)
  }
})

t.test('each check refuses what it is there for', async (t) => {
  const checks: Record<string, (t: import('tap').Test) => Promise<void>> = {
    'attack forged': async (t) => {
      const { app } = await visitedApplication()
      const { cookie } = await signIn(app, 'ada')
      const forged = cookie.slice(0, -1) + (cookie.endsWith('A') ? 'B' : 'A')
      t.equal((await app.inject({ url: '/me', cookies: { sid: forged } })).body, 'nobody')
      t.equal((await app.inject({ url: '/me', cookies: { sid: cookie } })).body, 'ada')
    },
    'attack fixation': async (t) => {
      const { app } = await visitedApplication()
      const before = (await app.inject('/visit')).cookies[0]?.value ?? ''
      const { cookie } = await signIn(app, 'ada', before)
      t.not(cookie, before)
      t.equal((await app.inject({ url: '/me', cookies: { sid: before } })).body, 'nobody')
      t.equal((await app.inject({ url: '/me', cookies: { sid: cookie } })).body, 'ada')
    },
    'attack blocked': async (t) => {
      const { app } = await visitedApplication()
      const { cookie } = await signIn(app, 'ada')
      const [info] = await app.sessions.list('ada')
      t.ok(await app.sessions.block(info?.id ?? '', 'stolen'))
      const answer = await app.inject({ url: '/me', cookies: { sid: cookie } })
      t.equal(answer.statusCode, 200)
      t.equal(answer.body, 'nobody')
    }
  }
  for (const { kind, evidence } of TABLE) {
    if (kind !== 'check') continue
    const check = checks[evidence]
    if (check === undefined) t.fail(`no check is called ${evidence}`)
    else await t.test(evidence, check)
  }
})

async function visitedApplication (): Promise<{ app: FastifyInstance }> {
  const app = Fastify()
  await app.register(sessions, { store: new MemoryStore(), authKey, secure: false })
  app.get('/visit', async (request) => { request.session.set('seen', true); return {} })
  app.get('/me', async (request) => request.session.userId ?? 'nobody')
  app.post<{ Body: { user: string } }>('/login', async (request) => { request.session.setUserId(request.body.user); return {} })
  return { app }
}

async function signIn (app: FastifyInstance, user: string, cookie?: string): Promise<{ cookie: string }> {
  const answer = await app.inject({ method: 'POST', url: '/login', payload: { user }, ...(cookie !== undefined && { cookies: { sid: cookie } }) })
  return { cookie: answer.cookies[0]?.value ?? '' }
}
