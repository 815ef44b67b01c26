import t, { type Test } from 'tap'
import { startTimer } from '../../src/core/timer.js'
import { gate, until } from '../helpers/session-app.js'

interface Wait { readonly ms: number, readonly fire: () => void, isRef: boolean, isCleared: boolean }

/** Takes the place of the clock: the waits asked for, each fired by hand. */
function standInTimers (t: Test): Wait[] {
  const waits: Wait[] = []
  t.intercept(globalThis, 'setTimeout', {
    value: (fire: () => void, ms: number) => {
      const wait: Wait & { unref (): unknown } = { fire, ms, isRef: true, isCleared: false, unref () { this.isRef = false; return this } }
      waits.push(wait)
      return wait
    }
  })
  t.intercept(globalThis, 'clearTimeout', { value: (wait: Wait | undefined) => { if (wait !== undefined) wait.isCleared = true } })
  return waits
}

const ignore = (): void => {}

t.test('each wait is drawn from 50 to 150 % of the interval, and does not keep the process alive', async (t) => {
  const waits = standInTimers(t)
  for (let n = 0; n < 500; n++) startTimer({ everySeconds: 10, work: async () => {}, onError: ignore })
  t.ok(waits.every(({ ms }) => ms >= 5_000 && ms <= 15_000))
  t.ok(waits.some(({ ms }) => ms < 6_000) && waits.some(({ ms }) => ms > 14_000), 'all over the range')
  t.ok(waits.every(({ isRef }) => !isRef))
})

t.test('a run never overlaps the last: the next wait begins when it has ended', async (t) => {
  const waits = standInTimers(t)
  const run = gate()
  let runs = 0
  startTimer({ everySeconds: 10, work: async () => { runs++; await run.opened }, onError: ignore })
  waits[0]?.fire()
  await until(() => runs === 1, 'the first run')
  t.equal(waits.length, 1)
  run.open()
  await until(() => waits.length === 2, 'the next wait')
  waits[1]?.fire()
  t.equal(runs, 2)
  await until(() => waits.length === 3, 'the one after it')
})

t.test('an error of the work is told, and the timer goes on', async (t) => {
  const waits = standInTimers(t)
  const told: unknown[] = []
  startTimer({ everySeconds: 10, work: async () => { throw new Error('no') }, onError: (error) => { told.push(error) } })
  for (let n = 0; n < 3; n++) {
    waits[n]?.fire()
    await until(() => waits.length === n + 2, 'the next wait')
  }
  t.match(told, [{ message: 'no' }, { message: 'no' }, { message: 'no' }])
})

t.test('stop aborts the run under way, waits for its end, and starts no other', async (t) => {
  const waits = standInTimers(t)
  const run = gate()
  let signal: AbortSignal | undefined
  let stopped = false
  const timer = startTimer({ everySeconds: 10, work: async (given) => { signal = given; await run.opened }, onError: ignore })
  waits[0]?.fire()
  const stopping = timer.stop().then(() => { stopped = true })
  t.equal(signal?.aborted, true)
  await Promise.resolve()
  t.equal(stopped, false)
  run.open()
  await stopping
  t.equal(waits.length, 1)
  await timer.stop()
})

t.test('stop between runs clears the wait', async (t) => {
  const waits = standInTimers(t)
  const timer = startTimer({ everySeconds: 10, work: async () => { t.fail('must not run') }, onError: ignore })
  await timer.stop()
  t.equal(waits[0]?.isCleared, true)
})

t.test('a long interval does not overflow into a short one', async (t) => {
  const waits = standInTimers(t)
  for (let n = 0; n < 20; n++) startTimer({ everySeconds: 10_000_000, work: async () => {}, onError: ignore })
  t.ok(waits.every(({ ms }) => ms <= 2 ** 31 - 1))
})

t.test('stop during a run that fails resolves', async (t) => {
  const waits = standInTimers(t)
  const run = gate()
  const timer = startTimer({ everySeconds: 10, work: async () => { await run.opened; throw new Error('aborted') }, onError: ignore })
  waits[0]?.fire()
  const stopping = timer.stop()
  run.open()
  await t.resolves(stopping)
  t.equal(waits.length, 1)
})
