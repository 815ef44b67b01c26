import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import pg from 'pg'
import t, { type Test } from 'tap'
import { sessions } from '../../src/plugins/sessions.js'
import { tokens } from '../../src/plugins/tokens.js'
import { migrate } from '../../src/stores/postgres/migrate.js'
import { PostgresStore } from '../../src/stores/postgres/store.js'
import { PostgresTokenStore } from '../../src/stores/postgres/token-store.js'
import type { TokenPair, Tokens } from '../../src/tokens/tokens.js'
import { moveClock } from '../helpers/moved-clock.js'
import { ownServer } from '../helpers/pg-server.js'
import { until } from '../helpers/pg-store.js'
import { REFRESH_KEY, SIGNING_KEY } from '../helpers/token-app.js'

const DAY = 24 * 60 * 60
const QUARTER = 15 * 60
/** One each quarter of an hour; the first is that of the sign-in. */
const GENERATIONS = 60 * DAY / QUARTER
const authKey = randomBytes(32)

interface Life {
  readonly tokens: Tokens
  readonly store: PostgresStore
  /** Signs Ada in. */
  signIn (): Promise<TokenPair>
  close (): Promise<void>
}

/** An application with sessions and tokens in a schema. */
async function openLife (connectionString: string, schema: string): Promise<Life> {
  const store = new PostgresStore({ connectionString, schema })
  const app = Fastify()
  await app.register(sessions, { store, authKey, cleanupInterval: 0 })
  await app.register(tokens, {
    store: new PostgresTokenStore({ connectionString, schema }), issuer: 'https://id.example.com', audience: 'api', signingKeys: SIGNING_KEY, refreshKey: REFRESH_KEY
  })
  const issued: TokenPair[] = []
  app.post('/sign-in', async (request) => {
    request.session.setUserId('ada', { isAdmin: false, roles: ['editor'] })
    issued.push(await app.tokens.issue(request))
  })
  return {
    tokens: app.tokens,
    store,
    async signIn () {
      const { body } = await app.inject({ method: 'POST', url: '/sign-in' })
      const [pair] = issued
      if (pair === undefined) throw new Error(body)
      return pair
    },
    async close () { await app.close() }
  }
}

/** A copy of the life as it is now, in which tokens can be presented that must not be presented in the life itself. */
async function openCopy (t: Test, connectionString: string): Promise<{ life: Life, take (): Promise<void>, reason (): Promise<string | null> }> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  const life = await openLife(connectionString, 'copy')
  t.teardown(async () => { await Promise.all([life.close(), client.end()]) })
  return {
    life,
    async take () {
      await client.query('DELETE FROM copy.sessions; INSERT INTO copy.sessions SELECT * FROM public.sessions; INSERT INTO copy.refresh_tokens SELECT * FROM public.refresh_tokens')
    },
    async reason () { return (await client.query<{ blocked_reason: string | null }>('SELECT blocked_reason FROM copy.sessions')).rows[0]?.blocked_reason ?? null }
  }
}

const code = async (answer: Promise<unknown>): Promise<string> => await answer.then(() => 'answered', (error: unknown) => error instanceof Error && 'code' in error ? String(error.code) : String(error))

t.test('sixty days of a refresh each quarter of an hour: one row, at least 95 of 100 updates HOT, and an end', async (t) => {
  // On a server of its own: a long transaction that writes anywhere in a cluster keeps old versions from being pruned.
  const { connectionString } = await (await ownServer(t)).start()
  for (const schema of ['public', 'copy']) await migrate({ connectionString, schema })
  const clock = await moveClock(t, connectionString)
  const startedAt = performance.now()
  const life = await openLife(connectionString, 'public')
  const copy = await openCopy(t, connectionString)
  const client = new pg.Client({ connectionString })
  await client.connect()
  t.teardown(async () => { await client.end() })
  const rows = async (): Promise<string> => (await client.query("SELECT (SELECT count(*) FROM sessions) || ' ' || (SELECT count(*) FROM refresh_tokens) AS rows")).rows[0].rows

  let pair = await life.signIn()
  const { sessionId } = pair
  const given = [pair.refreshToken ?? '']
  const wrong: unknown[] = []
  for (let generation = 2; generation <= GENERATIONS; generation++) {
    await clock.advance(QUARTER)
    const isWhole = await rows() === '1 1'
    pair = await life.tokens.refresh(given.at(-1) ?? '')
    if (!isWhole || pair.refreshToken === undefined || pair.sessionId !== sessionId) wrong.push({ generation, isWhole, pair })
    given.push(pair.refreshToken ?? '')
    // as the first request with the access token does
    await life.tokens.confirm(sessionId, generation)
    if (generation % (DAY / QUARTER) === 0) await life.store.cleanup()
    if (generation % 500 === 0) await presentOld(t, copy, given)
  }
  t.strictSame(wrong, [], 'each gives one successor, and there is one row')
  t.equal(given.length, GENERATIONS)
  t.equal(new Set(given).size, GENERATIONS, 'no token was given twice')
  const absolute = (await client.query<{ at: Date }>('SELECT absolute_expires_at AS at FROM sessions')).rows[0]?.at
  t.strictSame(pair.refreshTokenExpiresAt, absolute, 'the last lives until the absolute end')
  t.ok(pair.accessTokenExpiresAt <= pair.refreshTokenExpiresAt, 'and so does its access token, at most')

  const newest = given.at(-1) ?? ''
  t.equal((await life.tokens.inspect(newest)).generation, GENERATIONS)
  await clock.advance(QUARTER)
  t.equal(await code(life.tokens.refresh(newest)), 'ERR_TOKEN_EXPIRED', 'the newest, at the absolute end')
  t.equal(await code(life.tokens.refresh(given[0] ?? '')), 'ERR_TOKEN_EXPIRED', 'and the first')
  t.equal(await rows(), '1 1')
  await life.close()

  for (const [table, least] of [['refresh_tokens', 2 * GENERATIONS - 2], ['sessions', GENERATIONS - 1]] as const) {
    const counts = async (): Promise<{ updates: number, hot: number }> =>
      (await client.query("SELECT n_tup_upd::integer AS updates, n_tup_hot_upd::integer AS hot FROM pg_stat_user_tables WHERE schemaname = 'public' AND relname = $1", [table])).rows[0]
    await until('the backends that have ended have handed in their counts', async () => (await counts()).updates >= least)
    const { updates, hot } = await counts()
    t.ok(hot >= 0.95 * updates, `${table}: ${hot} of ${updates} updates are HOT`)
    const { rows: [size] } = await client.query<{ bytes: number }>('SELECT pg_relation_size($1)::integer AS bytes', [`public.${table}`])
    t.ok((size?.bytes ?? Infinity) <= 4 * 8_192, `${table}: ${size?.bytes} bytes after sixty days`)
  }
  t.comment(`${GENERATIONS} generations in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
})

/** What the newest token, one that is much older, the one before the newest, and one that was never given lead to. */
async function presentOld (t: Test, { life, take, reason }: Awaited<ReturnType<typeof openCopy>>, given: readonly string[]): Promise<void> {
  const generation = given.length
  const old = given[Math.floor(generation / 2)] ?? ''
  const forged = Buffer.from(old.slice(3), 'base64url')
  forged[30] = (forged[30] ?? 0) ^ 1
  await take()
  const found = [
    await code(life.tokens.refresh(`rt_${forged.toString('base64url')}`)),
    await code(life.tokens.refresh(given.at(-2) ?? '')),
    await code(life.tokens.refresh(given.at(-1) ?? '')),
    await reason(),
    await code(life.tokens.refresh(old)),
    await reason(),
    await code(life.tokens.refresh(given.at(-1) ?? ''))
  ]
  t.strictSame(found, ['ERR_TOKEN_INVALID', 'answered', 'answered', null, 'ERR_TOKEN_REUSED', 'refresh_reuse', 'ERR_SESSION_BLOCKED'], `at generation ${generation}`)
}
