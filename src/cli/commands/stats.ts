import type { Command } from 'commander'
import { countSessions, readCleanupLag, readTables } from '../../service/database/figures.js'
import type { CleanupLag, LiveSessions, TableFigures } from '../../service/database/figures.js'
import { withClient } from '../../service/database/reach.js'
import { TABLE_NAMES } from '../../service/database/tables.js'
import { COUNTERS } from '../../service/stats/series.js'
import type { CounterName } from '../../service/stats/series.js'
import { withDatabase } from '../database.js'
import type { OpenDatabase } from '../database.js'
import { explainCommand } from '../help.js'
import { duration } from '../progress.js'
import { inThousands, print, printJson } from '../terminal.js'
import type { Terminal } from '../terminal.js'

interface Figures {
  readonly at: Date
  readonly sessions: LiveSessions
  readonly cleanup: CleanupLag
  readonly tables: readonly TableFigures[]
  /** How often in the last 24 hours. */
  readonly last24Hours: Readonly<Record<CounterName, number>>
}

const DAY_MS = 86_400_000
const STEP_SECONDS = 300

/** How the counts of the day stand in lines. */
const DAY: readonly (readonly [label: string, names: readonly (readonly [name: CounterName, what: string])[]])[] = [
  ['sign-ins', [['sign_ins', 'passed'], ['sign_ins_refused', 'refused'], ['throttled', 'attempts throttled'], ['registrations', 'registrations']]],
  ['refreshes', [['refresh_rotate', 'rotated'], ['refresh_early', 'early'], ['refresh_replay', 'replayed'], ['refresh_straggler', 'stragglers'], ['refresh_refused', 'refused']]],
  ['sessions', [['ended', 'ended'], ['blocked', 'blocked'], ['alarms', 'alarms of reuse']]]
]

export function addStats (program: Command, terminal: Terminal): void {
  const { out } = terminal
  const command = program.command('stats').description('print the figures of now').option('--json', 'as JSON').action(async ({ json = false }: { json?: boolean }) => {
    const figures = await withDatabase(terminal, readFigures)
    if (json) printJson(out, figures)
    else print(out, ...toLines(figures))
  })
  explainCommand(command, {
    notes: ['Sessions are counted, row by row; rows of tables are estimates of PostgreSQL. HOT is the share of updates that touched no index.'],
    json: `{ "at": ISO 8601, "sessions": { "all", "ofUsers", "blocked" }, "cleanup": { "rows", "oldestSeconds": number | null },
  "tables": [{ "name", "rows", "bytes", "updates", "hotShare": 0-1 | null }],
  "last24Hours": { "sign_ins", "sign_ins_refused", "registrations", "refresh_rotate", "refresh_replay", "refresh_early",
  "refresh_straggler", "refresh_refused", "alarms", "throttled", "ended", "blocked" } }`,
    examples: [['silverback stats', 'for people'], ['silverback stats --json', 'for programs; those who look often, read /metrics']]
  })
}

async function readFigures ({ reached, statistics }: OpenDatabase): Promise<Figures> {
  const at = new Date()
  const { values } = await statistics.read({ from: new Date(at.getTime() - DAY_MS), to: at, step: STEP_SECONDS })
  const sums = COUNTERS.map((name) => [name, values[name].reduce((sum, value) => sum + value, 0)])
  return await withClient(reached.directConnectionString, async (client) => ({
    at,
    sessions: await countSessions(client),
    cleanup: await readCleanupLag(client),
    tables: await readTables(client, TABLE_NAMES),
    last24Hours: Object.fromEntries(sums) as Record<CounterName, number> // the names are those of the counters
  }))
}

function toLines ({ sessions, cleanup, tables, last24Hours: day }: Figures): string[] {
  const { rows, oldestSeconds } = cleanup
  return [
    `live sessions             ${inThousands(sessions.all)}, ${inThousands(sessions.ofUsers)} of them signed in, ${inThousands(sessions.blocked)} blocked`,
    `expired, not yet removed  ${inThousands(rows)}${oldestSeconds === null ? '' : `, the oldest ${duration(oldestSeconds)} ago`}`,
    '',
    'in the last 24 hours',
    ...DAY.map(([label, names]) => `  ${label.padEnd(12)}${names.map(([name, what]) => `${inThousands(day[name])} ${what}`).join(', ')}`),
    '',
    `${'TABLE'.padEnd(16)}${'ROWS'.padStart(14)}${'SIZE'.padStart(12)}${'UPDATES'.padStart(14)}${'HOT'.padStart(9)}`,
    ...tables.map(({ name, rows, bytes, updates, hotShare }) =>
      `${name.padEnd(16)}${inThousands(rows).padStart(14)}${toSize(bytes).padStart(12)}${inThousands(updates).padStart(14)}${(hotShare === null ? '-' : `${(hotShare * 100).toFixed(1)} %`).padStart(9)}`)
  ]
}

function toSize (bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const unit = bytes === 0 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  return `${(bytes / 1024 ** unit).toFixed(unit === 0 ? 0 : 1)} ${units[unit]}`
}
