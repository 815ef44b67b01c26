import t from 'tap'
import { newId } from '../../src/core/credential.js'
import { RevocationSet } from '../../src/tokens/revocation-set.js'
import type { Revocation, RevocationKind } from '../../src/tokens/revocations.js'

const HOUR = 3_600_000
const [ID, OTHER] = [newId(), newId()]

function setUp () {
  const clock = { now: 1_000_000 }
  const told: string[] = []
  const set = new RevocationSet({ now: () => clock.now, onRevoked: (sessionId, kind) => { told.push(`${kind} ${sessionId}`) } })
  return { clock, told, set }
}
const revocation = (sessionId: string | null, at: number, kind: RevocationKind = 'ended'): Revocation => ({ sessionId, kind, reason: null, at, until: at + HOUR })

t.test('what was issued at the instant of a revocation or before is refused, what was issued after is not, nor that of another session', async (t) => {
  const { set, clock: { now } } = setUp()
  for (const kind of ['ended', 'blocked', 'changed'] as const) {
    const id = newId()
    t.notOk(set.isRevoked(id, now))
    set.add(revocation(id, now, kind))
    t.ok(set.isRevoked(id, now - 1))
    t.ok(set.isRevoked(id, now))
    t.notOk(set.isRevoked(id, now + 1))
    t.notOk(set.isRevoked(OTHER, now))
  }
})

t.test('of two revocations of a kind the later counts, in whatever order they are told', async (t) => {
  const { set, clock: { now } } = setUp()
  set.add(revocation(ID, now + 10))
  set.add(revocation(ID, now))
  t.ok(set.isRevoked(ID, now + 10))
  t.notOk(set.isRevoked(ID, now + 11))
})

t.test('lifting a block lifts nothing else', async (t) => {
  const { set, clock: { now } } = setUp()
  set.add(revocation(ID, now + 5, 'blocked'))
  set.add(revocation(ID, now, 'changed'))
  set.lift(ID)
  t.notOk(set.isRevoked(ID, now + 1))
  t.ok(set.isRevoked(ID, now))
  set.lift(OTHER)
})

t.test('a revocation of all sessions refuses every token of before', async (t) => {
  const { set, told, clock: { now } } = setUp()
  set.add(revocation(null, now))
  t.ok(set.isRevoked(ID, now))
  t.notOk(set.isRevoked(ID, now + 1))
  t.strictSame(told, ['ended null'])
})

t.test('it is whole after a reset and until it is broken; a reset replaces what was told before', async (t) => {
  const { set, clock: { now } } = setUp()
  t.notOk(set.isWhole)
  set.add(revocation(ID, now))
  set.reset([revocation(OTHER, now), revocation(null, now - 50)])
  t.ok(set.isWhole)
  t.notOk(set.isRevoked(ID, now))
  t.ok(set.isRevoked(OTHER, now))
  t.ok(set.isRevoked(ID, now - 50))
  set.broken()
  t.notOk(set.isWhole)
  t.ok(set.isRevoked(OTHER, now))
})

t.test('every revocation that is told is passed on, those of a reset too', async (t) => {
  const { set, told, clock: { now } } = setUp()
  set.reset([revocation(ID, now, 'blocked')])
  set.add(revocation(OTHER, now))
  set.lift(ID)
  t.strictSame(told, [`blocked ${ID}`, `ended ${OTHER}`])
})

t.test('memory holds the revocations of an hour and no more: 100,000 sessions over ten hours', async (t) => {
  const { set, clock } = setUp()
  const all: Revocation[] = []
  for (let n = 0; n < 100_000; n++) {
    clock.now += 360
    all.push(revocation(newId(), clock.now))
    set.add(all[n] as Revocation)
  }
  // what it does not hold it does not refuse
  const held = all.filter(({ sessionId, at }) => set.isRevoked(sessionId ?? '', at)).length
  t.ok(held >= 9_999 && held <= 10_001, `${held} held`)
})

t.test('what this process ended is refused before the feed tells, whenever it was issued, for two seconds', async (t) => {
  const { set, clock } = setUp()
  set.note(ID, 'ended')
  t.ok(set.isRevoked(ID, clock.now + HOUR))
  t.notOk(set.isRevoked(OTHER, clock.now))
  clock.now += 1_999
  t.ok(set.isRevoked(ID, clock.now))
  clock.now += 1
  t.notOk(set.isRevoked(ID, clock.now))
})

t.test('a block of this process that is lifted elsewhere does not stand here', async (t) => {
  const { set, clock } = setUp()
  set.note(ID, 'blocked')
  set.add(revocation(ID, clock.now, 'blocked'))
  t.ok(set.isRevoked(ID, clock.now))
  t.notOk(set.isRevoked(ID, clock.now + 1), 'the feed has told: its instant counts')
  set.note(ID, 'blocked')
  set.lift(ID)
  t.notOk(set.isRevoked(ID, clock.now), 'the feed was quicker than the note')
})

t.test('the note of an end outlives new claims, and a block that is lifted', async (t) => {
  const { set, clock } = setUp()
  set.note(ID, 'ended')
  set.note(ID, 'blocked')
  set.add(revocation(ID, clock.now, 'changed'))
  set.add(revocation(ID, clock.now, 'blocked'))
  set.lift(ID)
  t.ok(set.isRevoked(ID, clock.now + 1))
})
