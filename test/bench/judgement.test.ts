import t from 'tap'

/** The programs of bench/ are plain JavaScript, and no part of what is type-checked. */
const load = async <T>(path: string): Promise<T> => await import(new URL(`../../bench/${path}`, import.meta.url).href) as T

interface Verdict { readonly what: string, readonly measured: number, readonly met: boolean }

const { judge, REPORT: soak } = await load<{ judge: (result: object) => Verdict[], REPORT: { toChart: (result: object) => string } }>('lib/soak-report.js')
const { reportOf } = await load<{ reportOf: (conditions: object) => { toMarkdown: (result: object) => string } }>('lib/conditions-report.js')
const { REPORT: scale } = await load<{ REPORT: { toMarkdown: (result: object) => string } }>('lib/scale-report.js')
const { scriptOf } = await load<{ scriptOf: (statement: object, most: number, values: string[]) => string }>('lib/pgbench.js')

const MACHINE = { date: '2026-01-02', cores: 4, cpu: 'c', memoryGiB: 8, node: '20.0.0', loadAverage: [0.1, 0.2], postgres: { server_version: '15.1', fsync: 'on', synchronous_commit: 'on', shared_buffers: '128MB' } }
const MIB = 2 ** 20

/** Ten minutes, a sample each; `grown` is added once a minute from `since` on. */
function soaked ({ rss = 0, heap = 0, dead = 0, bytes = 0, since = 0 }) {
  const samples = Array.from({ length: 10 }, (_, n) => {
    const grown = Math.max(0, n + 1 - since)
    return {
      at: (n + 1) * 60,
      rate: 100,
      p50: 1,
      p99: 2,
      memory: { rss: (100 + grown * rss) * MIB, heapUsed: (10 + grown * heap) * MIB },
      pool: { inUse: 1, waiting: 0 },
      rows: { sessions: 400 + grown * dead, live: 400, refresh_tokens: 280, revocations: n },
      bytes: { sessions: 100_000 * (1 + grown * bytes), refresh_tokens: 100_000 }
    }
  })
  return { machine: MACHINE, run: { minutes: 10 }, samples, acts: { 'sign-out': 9 }, failures: 0, example: '' }
}

const unmet = (result: object): string[] => judge(result).filter(({ met }) => !met).map(({ what }) => what)

void t.test('a soak in which nothing grows after the warm-up is met, whatever grew before', async (t) => {
  t.strictSame(unmet(soaked({})), [])
  const warm = soaked({ rss: -20, heap: -2, bytes: -0.1 })
  const steady = soaked({})
  warm.samples.splice(3, 7, ...steady.samples.slice(3))
  t.strictSame(unmet(warm), [])
})

void t.test('a soak names what grows, wrong answers, and revocations of nobody', async (t) => {
  t.strictSame(unmet(soaked({ rss: 3 })), ['RSS of the process, MiB a minute'])
  t.match(judge(soaked({ rss: 3 }))[0], { measured: 3 })
  t.strictSame(unmet(soaked({ heap: 0.6 })), ['heap after a collection, MiB a minute'])
  t.strictSame(unmet(soaked({ dead: 20 })), ['expired sessions not yet cleaned up, against the live, growth a minute'])
  t.strictSame(unmet(soaked({ bytes: 0.1 })), ['bytes of sessions with indexes, growth a minute'])
  t.strictSame(unmet({ ...soaked({}), failures: 1 }), ['wrong answers'])
  t.strictSame(unmet({ ...soaked({}), acts: {} }), ['revocations, beyond those of the sessions signed out'])
})

void t.test('the picture of a soak has a line for each series, with a point a sample', async (t) => {
  const svg = soak.toChart(soaked({}))
  const points = [...svg.matchAll(/<polyline class="line [a-z]+-line" points="([^"]+)"/g)].map(([, list = '']) => list.split(' ').length)
  t.equal(points.length, 12)
  t.ok(points.every((count) => count === 10))
  t.notMatch(svg, /NaN|undefined/)
})

void t.test('the table of conditions has a row a limit, and says which is not met', async (t) => {
  const report = reportOf({
    one: { title: 'One', tell: ({ said }: { said: string }) => said, judge: () => [{ what: 'ratio', limit: '≤ 3', measured: { median: 2, min: 1, max: 4 }, met: true }, { what: 'lost', limit: '0', measured: 1, digits: 0, met: false }] }
  })
  const text = report.toMarkdown({ machine: MACHINE, figures: { one: { said: 'as told' } } })
  t.match(text, /^\| One +\| +ratio \| +≤ 3 \| +2\.00 \(1\.00–4\.00\) \| +met \|$/m)
  t.match(text, /^\| One +\| +lost \| +0 \| +1 \| NOT MET \|$/m)
  t.match(text, '*One.* as told')
})

void t.test('what many sessions would take follows from those that were measured', async (t) => {
  const of = (median: number) => ({ median, min: median, max: median })
  const row = (operation: string, rate: number) => ({ operation, count: 1000, rate: of(rate), p50: of(1), p99: of(2), ratio: null })
  const text = scale.toMarkdown({
    machine: MACHINE,
    run: { rounds: 1, seconds: 1, callers: 32, sizes: [1000] },
    rows: [row('get', 20_000), row('slide', 10_000), row('cleanup of 1,000', 10_000)],
    sizes: [{ count: 1000, memory: { rss: 100 * MIB, heapUsed: 10 * MIB }, disk: [{ table: 'sessions', what: 'rows', bytes: 1_000_000 }, { table: 'sessions', what: 'sessions_pkey', bytes: 200_000 }, { table: 'refresh_tokens', what: 'rows', bytes: 300_000 }] }]
  })
  t.match(text, /^\| sessions: rows +\| +1000 \|$/m)
  t.match(text, /^\| both +\| +1500 \|$/m)
  t.match(text, /^\| 1,000,000,000 \| +1,500 \| +200 \| +2,000,000 \| +166,667 \| +826\.7 \| +100\.00 \| +16\.67 \| +0\.083 \|$/m)
})

void t.test('a statement becomes a script of pgbench by the number of each parameter', async (t) => {
  const text = 'SELECT $1::uuid, $2::text, $1, $10'
  t.equal(scriptOf({ text }, 9, ['a(:n)', 'b', ...Array.from('cdefghi'), 'ten']), '\\set n random(0, 9)\nSELECT (a(:n))::uuid, (b)::text, (a(:n)), (ten);\n')
})
