import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t from 'tap'
import type { Test } from 'tap'
import { newSession, postgresStore, put, SLIDE, upTo } from '../helpers/pg-store.js'
import { postgresTokens, RULES, tokenOf } from '../helpers/pg-tokens.js'

/** What is told on a channel from now on, until the test is over. */
function listen (t: Test, channel: string): unknown[] {
  const told: unknown[] = []
  const keep = (message: unknown): void => { told.push(message) }
  subscribe(channel, keep)
  t.teardown(() => { unsubscribe(channel, keep) })
  return told
}

t.test('every statement and transaction is told with its time, a failure as one, and nothing of a session', async (t) => {
  const { store, pool } = await postgresStore(t)
  const { id, secretHash } = await store.create(newSession({ userId: 'ada' }))
  const told = listen(t, 'silverback:query')
  await store.get(id)
  await store.save(id, secretHash, SLIDE)
  await store.deleteByUser('ada')
  await pool.query('ALTER TABLE sessions RENAME TO away')
  await t.rejects(store.get(id), { code: 'ERR_STORE' })
  t.match(told, [
    { operation: 'get', failed: false, ms: Number },
    { operation: 'slide', failed: false },
    { operation: 'deleteByUser', failed: false },
    { operation: 'get', failed: true }
  ])
  t.ok(told.every((message) => Object.keys(message ?? {}).join() === 'operation,ms,failed'))
  t.notMatch(JSON.stringify(told), id)
})

t.test('what is loaded and saved in one round trip is told with its size', async (t) => {
  const { store } = await postgresStore(t)
  const sessions = await Promise.all(upTo(5).map(async () => await store.create(newSession())))
  const told = listen(t, 'silverback:batch')
  await Promise.all([...sessions, ...sessions].map(async ({ id }) => await store.get(id)))
  await Promise.all(sessions.map(async ({ id, secretHash }) => await store.save(id, secretHash, put({ n: 1 }))))
  await store.get(sessions[0]?.id ?? '')
  t.strictSame(told, [{ kind: 'load', size: 5 }, { kind: 'save', size: 5 }, { kind: 'load', size: 1 }])
})

t.test('tokens that are rotated in one round trip are told with their number', async (t) => {
  const { tokens, signIn } = await postgresTokens(t)
  const sessions = await Promise.all(upTo(4).map(signIn))
  const told = listen(t, 'silverback:batch')
  await Promise.all(sessions.map(async ({ id }) => await tokens.rotateRefreshToken(tokenOf(id, 1), RULES)))
  t.strictSame(told, [{ kind: 'rotate', size: 4 }])
})
