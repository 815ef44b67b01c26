import t from 'tap'
import { toPlot } from '../../src/service/pages/admin/plots/plot.js'
import type { Plot } from '../../src/service/pages/admin/plots/plot.js'
import { RANGES, rangeOf } from '../../src/service/pages/admin/plots/range.js'
import { linear, ticksUpTo, timeTicks } from '../../src/service/pages/admin/plots/scale.js'
import { SUBJECTS } from '../../src/service/pages/admin/plots/subjects.js'
import { toTickNumber, toTickTime, toTime } from '../../src/service/pages/admin/plots/words.js'
import { toSeries } from '../../src/service/stats/series.js'
import type { StoredValue } from '../../src/service/stats/series.js'

const NOON = Date.parse('2026-11-21T12:00:00Z')
const HOUR = 3_600_000

void t.test('counts have round ticks from 0 to no less than the highest, four steps at most', async (t) => {
  t.strictSame(ticksUpTo(0), [0, 1])
  t.strictSame(ticksUpTo(1), [0, 1])
  t.strictSame(ticksUpTo(3), [0, 1, 2, 3])
  t.strictSame(ticksUpTo(5), [0, 2, 4, 6])
  t.strictSame(ticksUpTo(41), [0, 20, 40, 60])
  t.strictSame(ticksUpTo(1_740), [0, 500, 1_000, 1_500, 2_000])
  for (let highest = 0; highest < 3_000_000; highest = Math.ceil(highest * 1.1 + 1)) {
    const ticks = ticksUpTo(highest)
    const step = ticks[1] ?? 0
    t.ok(ticks.every(Number.isInteger) && ticks.length >= 2 && ticks.length <= 5, `${highest}`)
    t.ok((ticks.at(-1) ?? 0) >= highest && ticks.at(-2) !== undefined && (ticks.at(-2) ?? 0) < Math.max(1, highest), `${highest}: the last step is needed`)
    t.match(String(step), /^[125]0*$/)
  }
})

void t.test('instants have round ticks of UTC within their span, of every range five steps at most', async (t) => {
  t.strictSame(timeTicks(NOON - 24 * HOUR, NOON).map((at) => new Date(at).toISOString().slice(5, 16)), ['11-20T12:00', '11-20T18:00', '11-21T00:00', '11-21T06:00'])
  t.strictSame(timeTicks(NOON + 1, NOON + HOUR / 2), [])
  for (const { seconds, name } of RANGES) {
    const [from, to] = [NOON - seconds * 1000 + 12_345, NOON + 12_345]
    const ticks = timeTicks(from, to)
    t.ok(ticks.length >= 3 && ticks.length <= 6, name)
    t.ok(ticks.every((at) => at >= from && at < to && at % HOUR === 0), name)
  }
})

void t.test('a scale maps ends to ends, and what is between evenly', async (t) => {
  const scale = linear([10, 20], [100, 0])
  t.strictSame([10, 15, 20].map(scale), [100, 50, 0])
})

void t.test('labels are short and say UTC days at midnight', async (t) => {
  t.strictSame([0, 1_500, 2_000].map((value) => toTickNumber(value, 2_000)), ['0', '1,500', '2,000'])
  t.strictSame([0, 5_000, 12_500].map((value) => toTickNumber(value, 12_500)), ['0', '5k', '12.5k'])
  t.strictSame([NOON, NOON + 12 * HOUR].map(toTickTime), ['12:00', '22 Nov'])
  t.equal(toTime(NOON), '21 Nov, 12:00')
})

void t.test('an unknown range is that of 24 hours, and every range is drawn with steps that are counted', async (t) => {
  t.equal(rangeOf('').name, '24h')
  t.equal(rangeOf('__proto__').name, '24h')
  t.ok(RANGES.every(({ step, seconds }) => step % 300 === 0 && seconds % step === 0 && seconds / step <= 60))
})

/** Two hours in steps of half an hour. */
function plotOf (id: string, stored: readonly StoredValue[]): Plot {
  const span = { from: new Date(NOON - 2 * HOUR), to: new Date(NOON), step: 1_800 }
  const subject = SUBJECTS.find((one) => one.id === id)
  if (subject === undefined) throw new Error(id)
  return toPlot(subject, toSeries(span, stored), rangeOf('24h'))
}

const stored = (name: string, values: readonly (number | null)[]): StoredValue[] =>
  values.flatMap((value, n) => value === null ? [] : [{ name, at: NOON - 2 * HOUR + n * HOUR / 2, value }])

void t.test('bars stand on one another to scale, and the table says the same, the newest first', async (t) => {
  const plot = plotOf('sign-ins', [...stored('sign_ins', [3, 0, 1, 4]), ...stored('sign_ins_refused', [1, 0, 2, 0])])
  const { box, bars } = plot
  t.strictSame(plot.yTicks.map(({ label }) => label), ['0', '1', '2', '3', '4'])
  const unit = (box.bottom - box.top) / 4
  t.strictSame(bars.map(({ blocks }) => blocks.map(({ look, height }) => `${look} ${Math.round(height / unit)}`)), [['good 3', 'bad 1'], [], ['good 1', 'bad 2'], ['good 4']])
  const [passed, refused] = bars[0]?.blocks ?? []
  t.equal(passed?.y, (refused?.y ?? 0) + (refused?.height ?? 0), 'without a gap')
  t.equal((passed?.y ?? 0) + (passed?.height ?? 0), box.bottom)
  t.equal(bars[0]?.hint, '21 Nov, 10:00 UTC: passed 3, refused 1')
  t.strictSame(plot.rows.map(({ time, cells }) => [time, ...cells]), [['21 Nov, 11:30', '4', '0'], ['21 Nov, 11:00', '1', '2'], ['21 Nov, 10:30', '0', '0'], ['21 Nov, 10:00', '3', '1']])
  t.strictSame(plot.legend.map(({ label, total }) => `${label} ${total}`), ['Passed 8', 'Refused 3'])
  t.equal(plot.description, '11 sign-ins in this time: passed 8, refused 3.')
  t.equal(plot.unit, 'sign-ins in 30 minutes')
})

void t.test('a line has a gap where nobody counted', async (t) => {
  const plot = plotOf('live', stored('live_sessions', [10, null, 1_000, 2_000]))
  t.strictSame(plot.lines.map(({ line }) => line.split(' ').length), [1, 2])
  t.equal(plot.lines[1]?.end[1], plot.box.top)
  t.equal(plot.sum, '2,000 at the last count')
  t.equal(plot.description, 'At the last count 2,000 sessions; at least 10, at most 2,000 in this time.')
  t.strictSame(plot.rows.map(({ cells }) => cells), [['2,000'], ['1,000'], ['not known'], ['10']])
})

void t.test('a plot of nothing says so, and has axes', async (t) => {
  t.match(plotOf('alarms', []), { nothing: 'No alarms in this time', sum: 'none', yTicks: [{ label: '0' }, { label: '1' }] })
  t.strictSame(plotOf('alarms', []).bars.map(({ blocks }) => blocks), [[], [], [], []])
  t.match(plotOf('live', []), { nothing: 'Nothing was counted in this time', lines: [] })
})

void t.test('no two parts of a plot look the same', async (t) => {
  for (const { id, parts } of SUBJECTS) t.equal(new Set(parts.map(({ look }) => look)).size, parts.length, id)
})
