import t from 'tap'
import type { SessionEvent } from '../../src/service/events/event.js'
import type { EventLog } from '../../src/service/events/event-log.js'
import { storyOf } from '../../src/service/events/story.js'
import type { Story } from '../../src/service/events/story.js'
import { serviceDatabase } from '../helpers/events.js'
import { begun, newLineage, RULES, tokenOf } from '../helpers/pg-tokens.js'
import { newSession, renewal } from '../../src/testing/fixtures.js'
import { SLIDE } from '../helpers/pg-store.js'

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'
const AT_ONCE = { ...RULES, minGenerationAge: 0, stragglerWindow: 0 }

const storyIn = async (events: EventLog, id: string): Promise<Story> => storyOf(await events.ofSession(id), await events.stateOf(id))
const textsOf = ({ lines }: Story): string[] => lines.map(({ text }) => text)

void t.test('a session that lives has a story and no end', async (t) => {
  const { store, tokens, events } = await serviceDatabase(t)
  const { id } = await store.create(newSession({ userId: 'ada', clientIp: '192.0.2.7', userAgent: FIREFOX }))
  events.record({ kind: 'signedIn', sessionId: id, userId: 'ada', clientIp: '192.0.2.7' })
  t.match(await storyIn(events, id), { lines: [{ text: 'the user signed in, with Firefox on Linux', clientIp: '192.0.2.7', actorId: null }], why: null, refreshes: 0 })
  begun(await tokens.createRefreshToken(newLineage(id)))
  await tokens.rotateRefreshToken(tokenOf(id, 1), AT_ONCE)
  t.match(await storyIn(events, id), { why: null, refreshes: 1 })
  t.equal(textsOf(await storyIn(events, id)).at(-1), 'was refreshed for the last time, after 1 refresh in all')
})

void t.test('each way to end says why, and who did it', async (t) => {
  const { store, tokens, events, pool } = await serviceDatabase(t)
  const begin = async (): Promise<string> => (await store.create(newSession({ userId: 'ada' }))).id
  const role = (await pool.query('SELECT session_user AS role')).rows[0].role
  for (const [why, end] of [
    ['signed out by the user', async (id: string) => { await tokens.revokeRefreshToken(id, 'logout'); events.record({ kind: 'signedOut', sessionId: id, reason: 'logout' }) }],
    ['ended by an administrator', async (id: string) => { await store.delete(id); events.record({ kind: 'endedByAdmin', sessionId: id, actorId: 'root', clientIp: '192.0.2.9' }) }],
    ['ended by an administrator: odd', async (id: string) => { events.record({ kind: 'endedByAdmin', sessionId: id, actorId: 'root', reason: 'odd' }); await store.delete(id) }],
    ['ended by the user from another session', async (id: string) => { await store.delete(id); events.record({ kind: 'endedByUser', sessionId: id, userId: 'ada' }) }],
    ['ended by the service', async (id: string) => { await store.delete(id) }],
    [`deleted in the database, by ${role} with psql`, async (id: string) => { await pool.query(`BEGIN; SET LOCAL application_name = 'psql'; DELETE FROM sessions WHERE id = '${id}'; COMMIT`) }],
    [`made to expire in the database, by ${role}`, async (id: string) => { await pool.query('UPDATE sessions SET expires_at = now() WHERE id = $1', [id]) }],
    [`deleted in the database with all others, by ${role}`, async () => { await pool.query('TRUNCATE sessions CASCADE') }],
    ['expired unseen', async (id: string) => { await pool.query(`BEGIN; SET LOCAL session_replication_role = replica; UPDATE sessions SET expires_at = now() - interval '1 hour' WHERE id = '${id}'; COMMIT`) }],
    ['expired unseen', async (id: string) => { await pool.query(`BEGIN; SET LOCAL session_replication_role = replica; UPDATE sessions SET expires_at = now() - interval '1 hour', expiry_bucket = 0 WHERE id = '${id}'; COMMIT`); await store.cleanup() }],
    ['blocked: refresh_reuse', async (id: string) => { await store.block(id, 'refresh_reuse') }],
    ['blocked: refresh_reuse, then ended by an administrator', async (id: string) => { await store.block(id, 'refresh_reuse'); await store.delete(id); events.record({ kind: 'endedByAdmin', sessionId: id, actorId: 'root' }) }],
    ['ended by the service', async (id: string) => { await store.block(id, 'odd'); await store.unblock(id); await store.delete(id) }]
  ] as const) {
    const id = await begin()
    await end(id)
    t.equal((await storyIn(events, id)).why, why)
  }
  const id = await begin()
  await store.delete(id)
  events.record({ kind: 'endedByAdmin', sessionId: id, actorId: 'root', clientIp: '192.0.2.9' })
  t.match((await storyIn(events, id)).lines, [{ text: 'the user signed in' }, { text: 'ended by an administrator', actorId: 'root', clientIp: '192.0.2.9' }])
})

void t.test('what is done to all sessions of a user is in the story of each, and ends those that it ends', async (t) => {
  const { store, events } = await serviceDatabase(t)
  const at = new Date('2026-01-01T12:00:00Z')
  const event = (kind: string, more: Partial<SessionEvent> = {}): SessionEvent =>
    ({ id: '1', at, sessionId: null, userId: 'ada', kind, clientIp: null, userAgent: null, actorId: null, reason: null, generation: null, ...more })
  const [one, two] = [await store.create(newSession({ userId: 'ada' })), await store.create(newSession({ userId: 'ada' }))]
  for (const [why, act] of [
    ['ended because the user changed their password', event('passwordChanged', { sessionId: two.id })],
    ['ended by an administrator, who disabled the user', event('disabled', { actorId: 'root' })],
    ['ended by an administrator, who signed the user out everywhere', event('signedOutByAdmin', { actorId: 'root' })],
    ['ended by the user from another session', event('endedByUser', { reason: two.id })],
    ['ended by the user, who signed out everywhere', event('endedByUser')]
  ] as const) {
    const story = (id: string, ...more: SessionEvent[]): Story => storyOf([event('began', { sessionId: id }), act, ...more], null)
    t.equal(story(one.id, event('ended', { sessionId: one.id, reason: 'deleted' })).why, why)
    if (act.kind === 'endedByUser' && act.reason !== null) t.strictSame(textsOf(story(two.id)), ['the user signed in', 'the user ended all their other sessions'])
    if (act.kind === 'passwordChanged') t.equal(story(two.id, event('ended', { sessionId: two.id, reason: 'deleted' })).why, 'ended by the service')
  }
  t.equal(storyOf([event('began'), event('disabled'), event('ended', { at: new Date(at.getTime() + 60_000), reason: 'logout' })], null).why, 'signed out by the user', 'what was done long before ends nothing')
  t.equal(storyOf([event('began')], null).why, 'gone, and nothing says why')
  t.strictSame(storyOf([], null), { lines: [], why: null, refreshes: 0 })
  t.strictSame(textsOf(storyOf([event('of the future', { reason: 'x' })], null)), ['of the future: x'], 'a kind that is not known says itself')

  await store.delete(one.id)
  events.record({ kind: 'passwordChanged', userId: 'ada', sessionId: two.id })
  t.equal((await storyIn(events, one.id)).why, 'ended because the user changed their password')
  t.strictSame(textsOf(await storyIn(events, two.id)), ['the user signed in', 'the user changed their password'])
})

void t.test('a theft is told: the refresh that gave it away, the block, and the end', async (t) => {
  const { store, tokens, events } = await serviceDatabase(t)
  const { id } = await store.create(newSession({ userId: 'ada' }))
  begun(await tokens.createRefreshToken(newLineage(id)))
  await tokens.rotateRefreshToken(tokenOf(id, 1), AT_ONCE)
  await tokens.rotateRefreshToken(tokenOf(id, 2), AT_ONCE)
  t.equal((await tokens.rotateRefreshToken(tokenOf(id, 1), AT_ONCE)).found, 'REUSE')
  events.record({ kind: 'tokenReused', sessionId: id, generation: 1, clientIp: '203.0.113.66' })
  t.equal((await storyIn(events, id)).why, 'blocked: refresh_reuse')
  t.match((await storyIn(events, id)).lines.find(({ text }) => text.startsWith('blocked')), { text: /two parties/, clientIp: '203.0.113.66' })
  await store.delete(id)
  events.record({ kind: 'endedByAdmin', sessionId: id, actorId: 'root' })
  const story = await storyIn(events, id)
  t.equal(story.why, 'blocked: refresh_reuse, then ended by an administrator')
  t.equal(textsOf(story).at(-1), 'ended by an administrator, after 2 refreshes')
})

void t.test('a session with other ids before has one story', async (t) => {
  const { store, events } = await serviceDatabase(t)
  const { id, secretHash } = await store.create(newSession({ userId: 'ada' }))
  const next = renewal()
  await store.save(id, secretHash, { ...SLIDE, renew: next })
  t.strictSame(textsOf(await storyIn(events, next.id)), ['the user signed in', `the session got another id; before it was ${id}`])
  events.record({ kind: 'passwordChanged', userId: 'ada', sessionId: id })
  t.strictSame(textsOf(await storyIn(events, next.id)), ['the user signed in', 'the user changed their password'], 'the change of the password explains it')
})

const psql = (statement: string): string => `BEGIN; SET LOCAL application_name = 'psql'; ${statement}; COMMIT`

void t.test('what somebody does in psql is told as theirs, whatever the service does at the same time', async (t) => {
  const { store, events, pool } = await serviceDatabase(t)
  const role = (await pool.query('SELECT session_user AS role')).rows[0].role
  const { id } = await store.create(newSession({ userId: 'ada' }))
  await store.block(id, 'odd')
  events.record({ kind: 'blockedByAdmin', sessionId: id, actorId: 'root', reason: 'odd' })
  await store.unblock(id)
  events.record({ kind: 'unblockedByAdmin', sessionId: id, actorId: 'root' })
  await pool.query(psql("UPDATE sessions SET blocked_at = now(), blocked_reason = 'by hand'"))
  await pool.query(psql('UPDATE sessions SET blocked_at = NULL, blocked_reason = NULL'))
  t.strictSame(textsOf(await storyIn(events, id)).sort(), ['blocked by an administrator: odd', `blocked: by hand, by ${role} with psql`,
    'the block was lifted by an administrator', `the block was lifted, by ${role} with psql`, 'the user signed in'])
  await pool.query(psql('DELETE FROM sessions'))
  events.record({ kind: 'signedOutByAdmin', userId: 'ada', actorId: 'root' })
  const story = await storyIn(events, id)
  t.equal(story.why, `deleted in the database, by ${role} with psql`)
  t.equal(textsOf(story).at(-1), story.why, 'and nothing stands behind the end that did not concern it')
})

void t.test('what is done to a user after a session has ended is no part of its story', async (t) => {
  const { store, events } = await serviceDatabase(t)
  const { id } = await store.create(newSession({ userId: 'ada' }))
  await store.delete(id)
  events.record({ kind: 'endedByAdmin', sessionId: id, actorId: 'root' })
  await events.flush()
  for (const kind of ['signedOutByAdmin', 'passwordChanged', 'disabled', 'endedByUser'] as const) events.record({ kind, userId: 'ada', actorId: 'root' })
  const story = await storyIn(events, id)
  t.strictSame(textsOf(story), ['the user signed in', 'ended by an administrator'])
  t.strictSame(story.lines, story.lines.toSorted((a, b) => a.at.getTime() - b.at.getTime()), 'oldest first')
})

void t.test('a client that revokes its refresh token has not signed out', async (t) => {
  const { store, tokens, events } = await serviceDatabase(t)
  const { id } = await store.create(newSession({ userId: 'ada' }))
  begun(await tokens.createRefreshToken(newLineage(id)))
  await tokens.revokeRefreshToken(id, 'revoked')
  events.record({ kind: 'signedOut', sessionId: id, reason: 'revoked', clientIp: '192.0.2.7' })
  t.match(await storyIn(events, id), { why: 'ended by its client, which revoked the refresh token', lines: [{ text: 'the user signed in' }, { clientIp: '192.0.2.7' }] })
})
