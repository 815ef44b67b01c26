import t from 'tap'
import { Statistics } from '../../src/service/stats/statistics.js'
import { keepLog, serviceDatabase } from '../helpers/events.js'
import { seed, upTo } from '../helpers/pg-store.js'

const HOUR = 3_600_000
const around = (step = 300) => ({ from: new Date(Date.now() - HOUR), to: new Date(Date.now() + 300_000), step })
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

async function open (t: Parameters<typeof serviceDatabase>[0]) {
  const service = await serviceDatabase(t)
  const openStatistics = (options: Partial<ConstructorParameters<typeof Statistics>[0]> = {}): Statistics => {
    const statistics = new Statistics({ database: service.database, log: keepLog(), ...options })
    t.teardown(async () => { await statistics.close() })
    return statistics
  }
  return { ...service, openStatistics }
}

void t.test('counts of all nodes add up in buckets of five minutes', async (t) => {
  const { openStatistics, pool } = await open(t)
  const nodes = upTo(3).map(() => openStatistics())
  await Promise.all(upTo(30).map(async (n) => {
    const node = nodes[n % 3]
    node?.count('sign_ins')
    node?.count('ended', 2)
    await node?.flush()
  }))
  const { at, values, step } = await (nodes[0] ?? openStatistics()).read(around())
  t.equal(step, 300)
  t.equal(sum(values.sign_ins), 30)
  t.equal(sum(values.ended), 60)
  t.equal(sum(values.alarms), 0)
  t.strictSame(new Set(Object.values(values).map(({ length }) => length)), new Set([at.length]))
  t.ok(at.every((point, n) => point.getTime() % 300_000 === 0 && (n === 0 || point.getTime() - (at[n - 1]?.getTime() ?? 0) === 300_000)))
  t.strictSame((await pool.query('SELECT DISTINCT extract(epoch FROM bucket)::integer % 300 AS rest FROM stats')).rows, [{ rest: 0 }])
})

void t.test('longer steps add the buckets, and show the last of the sessions that were seen', async (t) => {
  const { openStatistics, pool } = await open(t)
  await pool.query('INSERT INTO stats SELECT name, \'2026-01-01T00:00:00Z\'::timestamptz + n * interval \'5 minutes\', n FROM generate_series(0, 23) AS n, unnest(ARRAY[\'alarms\', \'live_sessions\', \'of the future\']) AS name WHERE n <> 23 OR name <> \'live_sessions\'')
  const read = async (from: string, to: string, step: number) => await openStatistics().read({ from: new Date(from), to: new Date(to), step })
  const { values, at } = await read('2026-01-01T00:10:00Z', '2026-01-01T03:00:00Z', 3_600)
  t.strictSame(at.map((point) => point.toISOString()), ['2026-01-01T00:00:00.000Z', '2026-01-01T01:00:00.000Z', '2026-01-01T02:00:00.000Z'])
  t.strictSame(values.alarms, [66, 210, 0])
  t.strictSame(values.live_sessions, [11, 22, null])
  t.strictSame((await read('2026-01-01T00:00:00Z', '2026-01-01T00:10:00Z', 300)).values.alarms, [0, 1], 'the end is not part of it')
  for (const [from, to, step] of [['2026-01-01', '2026-01-02', 100], ['2026-01-01', '2026-01-02', 0], ['2026-01-01', '2026-01-02', 300.5], ['2026-01-02', '2026-01-01', 300], ['2026-01-01', '2026-03-01', 300], ['x', '2026-01-01', 300]] as const) {
    await t.rejects(read(from, to, step), RangeError, `${from} ${to} ${step}`)
  }
})

void t.test('live sessions are counted once in five minutes, by whichever node comes first', async (t) => {
  const { openStatistics, pool } = await open(t)
  await seed(pool, { count: 50, expiresIn: '1 hour' })
  await seed(pool, { count: 20, expiresIn: '-1 hour' })
  const nodes = upTo(4).map(() => openStatistics())
  await Promise.all(nodes.map(async (node) => { await node.sample() }))
  t.ok(nodes.some(({ live }) => live === 50))
  await seed(pool, { count: 5 })
  await Promise.all(nodes.map(async (node) => { await node.sample() }))
  t.strictSame(nodes.map(({ live }) => live), [50, 50, 50, 50], 'and what was counted is known to all')
  t.strictSame((await pool.query("SELECT value::integer FROM stats WHERE name = 'live_sessions'")).rows, [{ value: 50 }])
  await pool.query("UPDATE stats SET bucket = bucket - interval '5 minutes'")
  await nodes[0]?.sample()
  t.equal(nodes[0]?.live, 55)
  t.strictSame((await nodes[0]?.read(around()))?.values.live_sessions.filter((value) => value !== null), [50, 55])
})

void t.test('above a million live sessions are estimated', async (t) => {
  const { openStatistics, pool } = await open(t)
  await pool.query('ALTER TABLE sessions RENAME TO sessions_away; CREATE VIEW sessions AS SELECT now() + interval \'1 hour\' AS expires_at FROM generate_series(1, 1500000)')
  const statistics = openStatistics()
  await statistics.sample()
  t.equal(statistics.live, 1_000_001, 'without an estimate: more than a million')
})

void t.test('while the database takes no counts they are kept, for an hour, under the time at which they were made', async (t) => {
  const { openStatistics, pool } = await open(t)
  const clock = { now: 10 * 60_000 }
  const log = keepLog()
  const statistics = openStatistics({ now: () => clock.now, log })
  await pool.query('ALTER TABLE stats RENAME TO away')
  statistics.count('alarms', 1_000)
  await statistics.flush()
  for (const n of upTo(90)) {
    clock.now += 60_000
    statistics.count('sign_ins')
    if (n % 10 === 0) await statistics.flush()
  }
  await pool.query('ALTER TABLE away RENAME TO stats')
  const { values } = await statistics.read({ from: new Date(Date.now() - 3 * HOUR), to: new Date(Date.now() + 300_000), step: 300 })
  t.equal(sum(values.sign_ins), 60)
  t.equal(sum(values.alarms), 0, 'what is older than an hour is given up')
  t.ok(values.sign_ins.filter((value) => value === 5).length >= 10, 'five in each five minutes')
  t.match(log.told.map(({ message }) => message), [/cannot be written/, /again/])
})

void t.test('what is left is written at close, and what is old is removed', async (t) => {
  const { openStatistics, pool } = await open(t)
  const [statistics, early] = [openStatistics(), openStatistics({ isReady: () => false })]
  statistics.count('sign_ins')
  early.count('ended')
  await Promise.all([statistics.close(), early.close()])
  t.strictSame((await pool.query('SELECT name FROM stats')).rows, [{ name: 'sign_ins' }])
  await pool.query("INSERT INTO stats SELECT 'alarms', now() - n * interval '1 hour', 1 FROM generate_series(1, 6000) AS n")
  t.equal(await statistics.cleanup({ retentionSeconds: 5.5 * 3_600 }), 5_995)
  t.equal((await pool.query('SELECT 1 FROM stats')).rows.length, 6)
})
