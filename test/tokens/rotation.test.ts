import t from 'tap'
import { advance, decide, isAnswered, ROTATION_CASES } from '../../src/tokens/rotation.js'
import type { Lineage, LineageSession, PresentedToken, RotationCase } from '../../src/tokens/rotation.js'

const NOW = Date.parse('2035-06-01T12:00:00Z')
const rules = { minGenerationAge: 90, stragglerWindow: 30 }
const R = 90_000
const W = 30_000

/** The secrets of a lineage: of each generation one, and one that is none of them. */
const hashOf = (generation: number): Uint8Array => new Uint8Array(32).fill(generation)
const OTHER = new Uint8Array(32).fill(0xff)

/** Generation 5, a day old, not seen in use. */
const lineage: Lineage = {
  generation: 5,
  tokenHash: hashOf(5),
  previousHash: hashOf(4),
  userId: 'ada',
  deliveredAt: NOW - 86_400_000,
  confirmedAt: null,
  replays: 0,
  revokedAt: null
}
const session: LineageSession = { userId: 'ada', expiresAt: NOW + 86_400_000, blockedAt: null }
const present = (generation: number, change: Partial<PresentedToken> = {}): PresentedToken => ({
  sessionId: '00000000-0000-4000-8000-000000000001', generation, hash: hashOf(generation), successorHashes: [hashOf(generation + 1)], requestUserId: null, ...change
})
const judge = (token: PresentedToken, row: Partial<Lineage> = {}, of: Partial<LineageSession> = {}): RotationCase =>
  decide({ ...lineage, ...row }, { ...session, ...of }, token, NOW, rules)

const revoked = { revokedAt: NOW - 1 }
const expired = { expiresAt: NOW }
const blocked = { blockedAt: NOW - 1 }
const confirmed = (ago: number): Partial<Lineage> => ({ confirmedAt: NOW - ago })
const delivered = (ago: number): Partial<Lineage> => ({ deliveredAt: NOW - ago })

t.test('REVOKED: there is no lineage, or no session, or it was revoked', async (t) => {
  t.equal(decide(null, session, present(5), NOW, rules), 'REVOKED')
  t.equal(decide(lineage, null, present(5), NOW, rules), 'REVOKED')
  t.equal(decide(null, null, present(5), NOW, rules), 'REVOKED')
  for (const generation of [3, 4, 5, 6]) t.equal(judge(present(generation), revoked), 'REVOKED', `generation ${generation}`)
})

t.test('EXPIRED: from the very millisecond of its end, a session is over', async (t) => {
  t.equal(judge(present(5), {}, { expiresAt: NOW + 1 }), 'ROTATE')
  t.equal(judge(present(5), {}, { expiresAt: NOW }), 'EXPIRED')
  t.equal(judge(present(5), {}, { expiresAt: NOW - 1 }), 'EXPIRED')
  for (const generation of [3, 4, 5, 6]) t.equal(judge(present(generation), confirmed(W + 1), expired), 'EXPIRED', `generation ${generation}`)
})

t.test('BLOCKED: a blocked session answers none of its tokens', async (t) => {
  for (const generation of [3, 4, 5, 6]) t.equal(judge(present(generation), confirmed(W + 1), blocked), 'BLOCKED', `generation ${generation}`)
})

t.test('WRONG_USER: the session is not, or no longer, that of the lineage', async (t) => {
  t.equal(judge(present(5), {}, { userId: 'bob' }), 'WRONG_USER')
  t.equal(judge(present(5), {}, { userId: null }), 'WRONG_USER')
  t.equal(judge(present(3), {}, { userId: 'bob' }), 'WRONG_USER', 'an old token does not block what is another\'s now')
})

t.test('WRONG_USER: the request carries the credentials of somebody else', async (t) => {
  t.equal(judge(present(5, { requestUserId: 'bob' })), 'WRONG_USER')
  t.equal(judge(present(3, { requestUserId: 'bob' })), 'WRONG_USER')
  t.equal(judge(present(5, { requestUserId: 'ada' })), 'ROTATE', 'its own are fine')
})

t.test('the first case that fits answers: revoked before expired before blocked before the wrong user', async (t) => {
  const wrong = present(5, { requestUserId: 'bob' })
  t.equal(judge(wrong, revoked, { ...expired, ...blocked }), 'REVOKED')
  t.equal(judge(wrong, {}, { ...expired, ...blocked }), 'EXPIRED')
  t.equal(judge(wrong, {}, blocked), 'BLOCKED')
  t.equal(judge(wrong), 'WRONG_USER')
})

t.test('ROTATE: the newest token, delivered at least R ago; younger is EARLY', async (t) => {
  t.equal(judge(present(5), delivered(R - 1)), 'EARLY')
  t.equal(judge(present(5), delivered(R)), 'ROTATE')
  t.equal(judge(present(5), delivered(R + 1)), 'ROTATE')
  t.equal(judge(present(5), delivered(0)), 'EARLY')
  t.equal(judge(present(5), delivered(-1_000)), 'EARLY', 'a clock that was set back makes nothing older')
})

t.test('ROTATE and EARLY: whether the newest token was seen in use makes no difference', async (t) => {
  t.equal(judge(present(5), { ...delivered(R), ...confirmed(R) }), 'ROTATE')
  t.equal(judge(present(5), { ...delivered(R - 1), ...confirmed(R - 1) }), 'EARLY')
})

t.test('REPLAY: the token before, whose successor was not seen in use, without a time limit', async (t) => {
  for (const ago of [0, W, W + 1, R, 365 * 86_400_000]) t.equal(judge(present(4), delivered(ago)), 'REPLAY', `rotated ${ago} ms ago`)
})

t.test('REPLAY: a successor that is not the one given before is not given', async (t) => {
  t.equal(judge(present(4, { successorHashes: [OTHER] })), 'MISMATCH', 'its key was taken away')
  t.equal(judge(present(4, { successorHashes: [OTHER, hashOf(9), OTHER] })), 'MISMATCH')
})

t.test('REPLAY: a successor of any configured key is given again, and a ROTATE takes the first', async (t) => {
  for (const hashes of [[hashOf(5), OTHER], [OTHER, hashOf(5)], [OTHER, hashOf(9), hashOf(5)]] as const) t.equal(judge(present(4, { successorHashes: hashes })), 'REPLAY')
  t.same(advance(lineage, 'ROTATE', present(5, { successorHashes: [hashOf(6), OTHER] }), NOW).tokenHash, hashOf(6))
})

t.test('STRAGGLER: the token before, whose successor was seen in use at most W ago; later is REUSE', async (t) => {
  t.equal(judge(present(4), confirmed(W - 1)), 'STRAGGLER')
  t.equal(judge(present(4), confirmed(W)), 'STRAGGLER')
  t.equal(judge(present(4), confirmed(W + 1)), 'REUSE')
  t.equal(judge(present(4), confirmed(0)), 'STRAGGLER')
  t.equal(judge(present(4, { successorHashes: [OTHER] }), confirmed(W)), 'STRAGGLER', 'which gets no successor, and so needs none')
})

t.test('boundaries are exact where R and W are decimals', async (t) => {
  for (const seconds of [0.29, 1.001, 1.005, 4.35, 8.007]) {
    const span = Math.round(seconds * 1000)
    const judge = (token: PresentedToken, row: Partial<Lineage>): RotationCase =>
      decide({ ...lineage, ...row }, session, token, NOW, { minGenerationAge: seconds, stragglerWindow: seconds })
    t.equal(judge(present(5), delivered(span - 1)), 'EARLY')
    t.equal(judge(present(5), delivered(span)), 'ROTATE')
    t.equal(judge(present(4), confirmed(span)), 'STRAGGLER')
    t.equal(judge(present(4), confirmed(span + 1)), 'REUSE')
  }
})

t.test('REUSE: a token that is two or more generations old, whatever was seen in use and when', async (t) => {
  for (const generation of [3, 2, 1]) {
    t.equal(judge(present(generation)), 'REUSE')
    t.equal(judge(present(generation), confirmed(0)), 'REUSE')
    t.equal(judge(present(generation), { ...delivered(0), ...confirmed(0) }), 'REUSE')
  }
})

t.test('AHEAD: a generation that the database has not got, or no longer', async (t) => {
  for (const generation of [6, 7, 2 ** 32 - 1]) t.equal(judge(present(generation, { hash: OTHER })), 'AHEAD')
})

t.test('MISMATCH: the newest generation with another secret, however old', async (t) => {
  for (const ago of [0, R - 1, R, R + 1]) t.equal(judge(present(5, { hash: OTHER }), delivered(ago)), 'MISMATCH')
})

t.test('MISMATCH: the generation before with another secret, until its time is over', async (t) => {
  t.equal(judge(present(4, { hash: OTHER })), 'MISMATCH')
  t.equal(judge(present(4, { hash: OTHER }), confirmed(W)), 'MISMATCH')
  t.equal(judge(present(4, { hash: OTHER }), confirmed(W + 1)), 'REUSE')
})

t.test('MISMATCH: the generation before, where the database does not know it', async (t) => {
  const forgotten = { previousHash: null }
  t.equal(judge(present(4), forgotten), 'MISMATCH')
  t.equal(judge(present(4), { ...forgotten, ...confirmed(W) }), 'MISMATCH')
  t.equal(judge(present(4), { ...forgotten, ...confirmed(W + 1) }), 'REUSE')
})

t.test('a hash of another length is another hash', async (t) => {
  t.equal(judge(present(5, { hash: hashOf(5).subarray(1) })), 'MISMATCH')
  t.equal(judge(present(5, { hash: new Uint8Array(0) })), 'MISMATCH')
})

t.test('what ROTATE changes: the successor is the newest, delivered now and not yet seen; the newest is the one before', async (t) => {
  const before = { ...lineage, ...confirmed(W), replays: 3 }
  t.strictSame(advance(before, 'ROTATE', present(5), NOW), {
    ...before, generation: 6, tokenHash: hashOf(6), previousHash: hashOf(5), deliveredAt: NOW, confirmedAt: null, replays: 0
  })
})

t.test('what EARLY changes: the newest is seen in use, once', async (t) => {
  t.strictSame(advance(lineage, 'EARLY', present(5), NOW), { ...lineage, confirmedAt: NOW })
  const seen = { ...lineage, ...confirmed(W) }
  t.strictSame(advance(seen, 'EARLY', present(5), NOW), seen, 'when it was seen first stands')
})

t.test('what REPLAY changes: the newest is delivered now, and counted', async (t) => {
  t.strictSame(advance({ ...lineage, replays: 2 }, 'REPLAY', present(4), NOW), { ...lineage, deliveredAt: NOW, replays: 3 })
})

t.test('what AHEAD changes: the lineage goes on with the presented token, delivered and seen now, and nothing before it', async (t) => {
  t.strictSame(advance({ ...lineage, replays: 2 }, 'AHEAD', present(9), NOW), {
    ...lineage, generation: 9, tokenHash: hashOf(9), previousHash: null, deliveredAt: NOW, confirmedAt: NOW, replays: 0
  })
})

t.test('no other case changes the lineage, and none changes the one it was given', async (t) => {
  const frozen = Object.freeze({ ...lineage })
  for (const found of ['STRAGGLER', 'REVOKED', 'EXPIRED', 'BLOCKED', 'WRONG_USER', 'REUSE', 'MISMATCH'] as const) {
    t.equal(advance(frozen, found, present(4), NOW), frozen, found)
  }
  for (const found of ['ROTATE', 'EARLY', 'REPLAY', 'AHEAD'] as const) advance(frozen, found, present(5), NOW)
  t.strictSame(frozen, lineage)
})

t.test('five cases are answered with tokens, and no other', async (t) => {
  t.equal(ROTATION_CASES.length, 11)
  t.strictSame(ROTATION_CASES.filter(isAnswered), ['ROTATE', 'EARLY', 'REPLAY', 'STRAGGLER', 'AHEAD'])
})

t.test('a lost answer: hours later the same token leads to the same successor, and its use ends the token before', async (t) => {
  const rotated = advance(lineage, 'ROTATE', present(5), NOW)
  const later = NOW + 6 * 3_600_000
  t.equal(decide(rotated, session, present(5), later, rules), 'REPLAY')
  const replayed = advance(rotated, 'REPLAY', present(5), later)
  t.same(replayed.tokenHash, rotated.tokenHash)
  t.equal(decide(replayed, session, present(6), later + R - 1, rules), 'EARLY', 'delivered again is young again')
  const seen = advance(replayed, 'EARLY', present(6), later + R - 1)
  t.equal(decide(seen, session, present(5), later + R - 1 + W, rules), 'STRAGGLER')
  t.equal(decide(seen, session, present(5), later + R + W, rules), 'REUSE')
})
