import t from 'tap'
import { Deadline } from '../../../src/stores/postgres/deadline.js'

const OVER = { message: /no answer within/ }
const NEVER = new Promise<never>(() => {})

void t.test('deadlines that run at once end each at its own time, in whatever order they began', async (t) => {
  const alive = setInterval(() => {}, 1_000) // they keep no process alive
  t.teardown(() => { clearInterval(alive) })
  const ended: number[] = []
  await Promise.all([150, 50, 100, 50].map(async (ms) => {
    const startedAt = performance.now()
    const deadline = new Deadline(ms)
    await t.rejects(deadline.race(NEVER), OVER)
    t.ok(performance.now() - startedAt >= ms, 'not before it')
    deadline.clear()
    ended.push(ms)
  }))
  t.strictSame(ended, [50, 50, 100, 150])
})

void t.test('a deadline ends in time though very many others run', async (t) => {
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => { clearInterval(alive) })
  const others = Array.from({ length: 200_000 }, () => new Deadline(600_000))
  t.teardown(() => { for (const other of others) other.clear() })
  const deadline = new Deadline(20)
  await t.rejects(deadline.race(NEVER), OVER)
  deadline.clear()
  const next = new Deadline(20)
  await t.rejects(next.race(NEVER), OVER, 'and so does the next')
  next.clear()
})
