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
    '### Memory of the process\n\n' + toTable(['sessions', 'RSS MiB', 'heap MiB'], sizes.map(({ count, memory }) => [toNumber(count), mebi(memory.rss), mebi(memory.heapUsed)]))
  ].join('\n\n') + '\n'
}

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
