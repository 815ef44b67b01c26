import t from 'tap'

/** The programs of bench/ are plain JavaScript, and no part of what is type-checked. */
const load = async <T>(path: string): Promise<T> => await import(new URL(`../../bench/${path}`, import.meta.url).href) as T

const { between } = await load<{ between: (page: string, name: string, contents: string) => string }>('lib/publish.js')
const { REPORT } = await load<{ REPORT: { toMarkdown: (result: object) => string, toChart: (result: object) => string } }>('lib/report.js')
const { tabulate } = await load<{ tabulate: (measurements: object[], statements: object[]) => object[] }>('lib/tabulate.js')
const { judge } = await load<{ judge: (rows: object[]) => Array<{ what: string, met: boolean | null, ratio: { median: number } | null }> }>('lib/targets.js')
const { ticksUpTo } = await load<{ ticksUpTo: (highest: number) => number[] }>('lib/svg.js')

const MACHINE = {
  date: '2026-01-02', cores: 4, cpu: 'A & B <C>', memoryGiB: 8, node: '20.0.0', loadAverage: [0.1, 0.2], postgres: { server_version: '15.1 (Debian)', fsync: 'on', synchronous_commit: 'on', shared_buffers: '128MB' }
}

function measured (contender: string, rates: number[], failures = 0): object[] {
  return rates.map((rate) => ({
    contender, workload: 'read', connections: 32, figures: { rate, p50: 1, p99: 2, cpuMicros: 3, loadMicros: 1, failures, example: 'no' }
  }))
}

/** As `npm run bench` makes it. */
function resultOf (measurements: object[]) {
  const rows = tabulate(measurements, [{ contender: 'silverback', workload: 'read', connections: 32, perRequest: 0.07 }])
  return { machine: MACHINE, run: { mode: 'default', rounds: 3, seconds: 2, visitors: 1000, max: 10 }, rows, targets: judge(rows) }
}

void t.test('a target is judged by the ratios within the rounds, and not at all by a contender that failed', async (t) => {
  const of = (measurements: object[]) => resultOf(measurements).targets.find(({ what }) => what === 'req/s against fastify-session')
  t.match(of([...measured('silverback', [900, 90, 800]), ...measured('fastify-session', [100, 10, 200])]), { met: true, ratio: { median: 9, min: 4, max: 9 } })
  t.match(of([...measured('silverback', [700, 90, 800]), ...measured('fastify-session', [100, 10, 200])]), { met: false, ratio: { median: 7 } })
  t.match(of([...measured('silverback', [900]), ...measured('fastify-session', [1], 1)]), { met: null, ratio: null })
})

void t.test('the tables hold medians and spread, and name a contender that failed', async (t) => {
  const text = REPORT.toMarkdown(resultOf([...measured('silverback', [900, 90, 800]), ...measured('plain', [1], 2)]))
  t.match(text, /^\| silverback \|\s+800 \(90–900\) \|\s+1\.00 \(1\.00–1\.00\) × \| +1\.00 \| +2\.00 \| +3 \| +0\.07 \|$/m)
  t.match(text, /^\| plain +\|\s+NOT COUNTED: 2 wrong answers, such as: no/m)
  t.match(text, /^\| read, 32 connections +\| +req\/s against fastify-session \| +≥ 8 \| not measured \| +\|$/m)
})

void t.test('the picture is as long as the figures, says them, and is one document of its own', async (t) => {
  const svg = REPORT.toChart(resultOf([...measured('silverback', [1000]), ...measured('plain', [2000])]))
  const bars = [...svg.matchAll(/<rect class="(ours|peer)"[^>]* width="([\d.]+)"/g)].map(([, look, width]) => [look, Number(width)])
  t.strictSame(bars, [['ours', 102], ['peer', 204]])
  t.match(svg, '>1k</text>')
  t.match(svg, '>2k</text>')
  t.match(svg, 'prefers-color-scheme: dark')
  t.match(svg, /^<svg [^>]*role="img"[^>]*>\n<title id="title">[^<]+<\/title>\n<desc /)
  t.notMatch(svg, /NaN|undefined|href|<script/)
})

void t.test('the marks of an axis are round, begin at 0 and end no lower than the highest', async (t) => {
  t.strictSame(ticksUpTo(0), [0, 1])
  t.strictSame(ticksUpTo(4), [0, 1, 2, 3, 4])
  t.strictSame(ticksUpTo(0.3), [0, 0.1, 0.2, 0.3])
  t.strictSame(ticksUpTo(85_960), [0, 50_000, 100_000])
})

void t.test('a page is rewritten between its markers alone, and refused where they are not there once each', async (t) => {
  const page = 'a\n<!-- figures: x -->\nold\n<!-- end of figures: x -->\nb\n'
  const rewritten = 'a\n<!-- figures: x -->\n\nnew $& $1\n\n<!-- end of figures: x -->\nb\n'
  t.equal(between(page, 'x', 'new $& $1\n'), rewritten)
  t.equal(between(rewritten, 'x', 'new $& $1'), rewritten, 'again makes no difference')
  for (const broken of ['', page.replace('<!-- end', ''), page + page, '<!-- end of figures: x -->\n<!-- figures: x -->']) {
    t.throws(() => between(broken, 'x', ''), /must have <!-- figures: x -->/)
  }
})
