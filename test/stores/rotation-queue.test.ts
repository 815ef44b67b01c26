import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { type BulkRotations, RotationQueue } from '../../src/stores/rotation-queue.js'
import type { Rotation } from '../../src/tokens/store.js'
import { tokenOf } from '../../src/testing/token-fixtures.js'
import { upTo } from '../helpers/pg-store.js'

const RULES = { minGenerationAge: 0, stragglerWindow: 30, refreshTtl: 60 }
const DEADLINE_MS = 400
const LOCK_WAIT_MS = 60
const FOUND: Rotation = { found: 'REVOKED', facts: null }

interface Fake extends BulkRotations {
  readonly sizes: number[]
  /** Of batches, what was left of their time. */
  readonly budgets: number[]
}

/** Judges at once, but for the session "locked": that is passed over in a batch, and waits for a lock in vain when alone. */
function fake (): Fake {
  const [sizes, budgets]: [number[], number[]] = [[], []]
  return {
    sizes,
    budgets,
    async rotate ({ sessionId }, _rules, budgetMs) {
      if (sessionId !== 'locked') return FOUND
      await pause(Math.min(budgetMs, LOCK_WAIT_MS))
      throw new Error('it is locked')
    },
    async rotateMany (tokens, _rules, budgetMs) {
      sizes.push(tokens.length)
      budgets.push(budgetMs)
      return new Map(tokens.filter(({ sessionId }) => sessionId !== 'locked').map(({ sessionId }) => [sessionId, FOUND]))
    },
    isFaultOfOne: () => false
  }
}

void t.test('many tabs of a session that is locked hurry nobody else: whoever comes meanwhile has their time, and is answered', async (t) => {
  const rotations = fake()
  const queue = new RotationQueue(rotations, { deadlineMs: DEADLINE_MS, slowMs: 5 })
  const tabs = Promise.allSettled(upTo(20).map(() => queue.rotate(tokenOf('locked', 1), RULES)))
  let others = 0
  while (await Promise.race([tabs.then(() => false), pause(1, true)])) {
    others += (await Promise.all(upTo(3).map((n) => queue.rotate(tokenOf(`other ${n}`, 1), RULES)))).length
  }
  t.ok((await tabs).every(({ status }) => status === 'rejected'))
  t.ok(others > 20, `${others} others`)
  t.ok(Math.min(...rotations.budgets) > DEADLINE_MS / 2, `the shortest time of a batch was ${Math.min(...rotations.budgets)} ms`)
})

void t.test('a caller that changes the session of its token afterwards changes nothing', async (t) => {
  const queue = new RotationQueue(fake(), { deadlineMs: DEADLINE_MS, slowMs: 5 })
  const tokens = upTo(2).map((n) => ({ ...tokenOf(`session ${n}`, 1) }))
  const answers = Promise.all(tokens.map((token) => queue.rotate(token, RULES)))
  for (const token of tokens) token.sessionId = 'another'
  t.same(await answers, [FOUND, FOUND])
  t.same(await queue.rotate(tokenOf('session 0', 1), RULES), FOUND, 'and the next of the session is judged')
})

void t.test('sessions that always have more to rotate keep nobody else waiting', async (t) => {
  const queue = new RotationQueue(fake(), { deadlineMs: DEADLINE_MS, slowMs: 5 })
  const stop = new AbortController()
  const busy = Promise.all(upTo(32).map(async (n) => {
    while (!stop.signal.aborted) await Promise.all(upTo(3).map(() => queue.rotate(tokenOf(`busy ${n}`, 1), RULES)))
  }))
  const others = await Promise.allSettled(upTo(10).map((n) => queue.rotate(tokenOf(`other ${n}`, 1), RULES)))
  stop.abort()
  await busy
  t.ok(others.every(({ status }) => status === 'fulfilled'))
})
