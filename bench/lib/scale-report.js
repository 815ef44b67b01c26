/** What `npm run bench:scale` says. */

import { tellMachine } from './machine.js'
import { spread, toNumber, toTable } from './table.js'

export const REPORT = {
  name: 'scale',
  page: 'scale.md',
  toMarkdown: ({ machine, run, rows, sizes }) => [
    tellMachine(machine),
    `${run.rounds} rounds of ${run.seconds} s in turn, ${run.callers} callers of a PostgresStore, ids drawn from the whole table; medians (least–most).`,
    '### Speed by size\n\n' + toTable(['what', 'sessions', 'a second', 'p50 ms', 'p99 ms', `against ${toNumber(run.sizes[0])}`], rows.map(speedCells)),
    '### Bytes a session on disk\n\n' + toTable(['what', ...sizes.map(({ count }) => toNumber(count))], diskCells(sizes)),
    '### Memory of the process\n\n' + toTable(['sessions', 'RSS MiB', 'heap MiB'], sizes.map(({ count, memory }) => [toNumber(count), mebi(memory.rss), mebi(memory.heapUsed)])),
    '### Up to 10⁹ sessions\n\n' + toTable(['sessions', 'disk GB', 'of it indexes', 'reads/s', 'slides/s', 'begun and removed/s', 'share of this machine: reads', 'slides', 'cleanup'], PROJECTED.map((count) => projected(count, { rows, sizes })))
  ].join('\n\n') + '\n'
}

/** What docs/scale.md assumes: of so many sessions one is in use, which asks and slides so often; and how long one lives. */
const SESSIONS_A_USED_ONE = 100
const SECONDS_A_REQUEST = 5
const SECONDS_A_SLIDE = 60
const SECONDS_A_LIFE = 14 * 86_400
const PROJECTED = [1e6, 1e7, 1e8, 1e9]

/** What was measured with the most sessions, multiplied. */
function projected (count, { rows, sizes }) {
  const { count: most, disk } = sizes.reduce((a, b) => b.count > a.count ? b : a)
  const bytes = (parts) => parts.reduce((total, part) => total + part.bytes, 0) / most * count
  const rateOf = (name) => rows.find((row) => row.operation.startsWith(name) && row.count === most).rate.median
  const used = count / SESSIONS_A_USED_ONE
  const [reads, slides, begun] = [used / SECONDS_A_REQUEST, used / SECONDS_A_SLIDE, count / SECONDS_A_LIFE]
  return [
    toNumber(count),
    toRound(bytes(disk) / 1e9),
    toRound(bytes(disk.filter(({ what }) => what !== 'rows' && what !== 'toast')) / 1e9),
    toNumber(reads),
    toNumber(slides),
    begun.toFixed(1),
    (reads / rateOf('get')).toFixed(2),
    (slides / rateOf('slide')).toFixed(2),
    (begun / rateOf('cleanup')).toFixed(3)
  ]
}

/** A guess needs no more than three digits. */
const toRound = (value) => new Intl.NumberFormat('en-GB', { maximumSignificantDigits: 3 }).format(value)

function speedCells ({ operation, count, rate, p50, p99, ratio }) {
  return [operation, toNumber(count), spread(rate, 0), p50 === null ? '' : p50.median.toFixed(2), p99 === null ? '' : p99.median.toFixed(2), ratio === null ? '' : `${spread(ratio, 2)} ×`]
}

/** A line a relation, then sums. Of both tables the bytes are those of all sessions, though half of them have no lineage. */
function diskCells (sizes) {
  const [first] = sizes
  const line = (what, bytesOf) => [what, ...sizes.map((size) => (bytesOf(size) / size.count).toFixed(0))]
  const sum = (parts) => parts.reduce((total, { bytes }) => total + bytes, 0)
  return [
    ...first.disk.map(({ table, what }, n) => line(`${table}: ${what}`, ({ disk }) => disk[n].bytes)),
    line('sessions, all', ({ disk }) => sum(disk.filter(({ table }) => table === 'sessions'))),
    line('refresh_tokens, all; of half the sessions', ({ disk }) => sum(disk.filter(({ table }) => table === 'refresh_tokens'))),
    line('both', ({ disk }) => sum(disk))
  ]
}

const mebi = (bytes) => (bytes / 2 ** 20).toFixed(0)
