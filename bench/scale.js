/**
 * `npm run bench:scale`: a table of ten thousand sessions against one of ten million. What gets slower, and what does one cost?
 *
 * @module
 */
import os from 'node:os'
import { fileURLToPath } from 'node:url'
import { COMMON_USAGE, numberOf, readFlags, wholeNumbersOf } from './lib/arguments.js'
import { interrupted, runCommand, say } from './lib/command.js'
import { ContenderProcess } from './lib/contender-process.js'
import { startDatabase } from './lib/database.js'
import { checkRoom, sizesOf, WAL_GIB } from './lib/disk.js'
import { fill, idOf, settle } from './lib/fill.js'
import { describeMachine, loadAverage } from './lib/machine.js'
import { findPgbench, runPgbench, scriptOf } from './lib/pgbench.js'
import { urlOf } from './lib/root.js'
import { REPORT } from './lib/scale-report.js'
import { summary } from './lib/statistics.js'

const USAGE = `npm run bench:scale -- [options]

  --quick                 a minute: 2,000 sessions against 50,000
  --sizes 10000,10000000  sessions in each table; what they need of the disk is said first, and refused where it is not there
  --seconds 10            of one measurement
  --rounds 3              of A B, A B, …
${COMMON_USAGE}`

const PRESETS = {
  quick: { mode: 'quick', sizes: '2000,50000', rounds: 1, seconds: 1, warmUpSeconds: 0.3, callers: 32 },
  default: { mode: 'default', sizes: '10000,10000000', rounds: 3, seconds: 10, warmUpSeconds: 3, callers: 32 }
}
const OPERATIONS = ['get', 'save', 'slide', 'listByUser']
/** Sessions that a cleanup finds expired, beyond those of the table. */
const EXPIRED = 1_000
const STORE = fileURLToPath(new URL('lib/store-main.js', import.meta.url))

await runCommand({ usage: USAGE, readOptions, measure, report: REPORT })

function readOptions (args) {
  const { quick, sizes, seconds, rounds, ...common } = readFlags(args, { quick: { type: 'boolean' }, sizes: { type: 'string' }, seconds: { type: 'string' }, rounds: { type: 'string' } })
  const preset = PRESETS[quick ? 'quick' : 'default']
  return {
    ...preset,
    ...common,
    sizes: wholeNumbersOf('sizes', sizes ?? preset.sizes, 100, 1_000_000_000),
    seconds: numberOf('seconds', seconds ?? preset.seconds, 0.1, 600),
    rounds: numberOf('rounds', rounds ?? preset.rounds, 1, 100)
  }
}

async function measure ({ mode, sizes, rounds, seconds, warmUpSeconds, callers }) {
  console.log(await checkRoom(sizes.reduce((total, count) => total + count, 0)))
  const before = loadAverage()
  const database = await startDatabase(settings())
  const stores = []
  try {
    for (const count of sizes) stores.push(await openStore(count, database))
    const ways = await waysOf()
    const found = []
    for (let round = 1; round <= rounds; round++) {
      for (const { operation, run } of ways) {
        for (const store of stores) {
          interrupted.throwIfAborted()
          const figures = await run(store, { round, seconds, warmUpSeconds, callers })
          found.push({ operation, count: store.count, figures })
          say(`${round}/${rounds} ${operation} of ${store.count}: ${figures.rate.toFixed(0)} a second`)
        }
      }
    }
    for (const store of stores) store.memory = await store.process.ask('memory')
    return {
      machine: { ...describeMachine(), postgres: await database.describe(), loadAverage: [before, loadAverage()] },
      run: { mode, sizes, rounds, seconds, callers },
      rows: ways.flatMap(({ operation }) => sizes.map((count) => rowOf(operation, count, found, sizes[0]))),
      sizes: stores.map(({ count, fillSeconds, disk, memory }) => ({ count, fillSeconds, disk, memory }))
    }
  } finally {
    await Promise.all(stores.map((store) => store.process.stop()))
    await database.stop()
  }
}

/** A quarter of the memory, as PostgreSQL's manual says, and room in the log, so that filling takes minutes. */
function settings () {
  return { shared_buffers: `${Math.max(128, Math.round(os.totalmem() / 4 / 2 ** 20))}MB`, max_wal_size: `${WAL_GIB}GB`, checkpoint_timeout: '30min', maintenance_work_mem: '512MB' }
}

async function openStore (count, database) {
  const { migrate } = await import(urlOf('dist/index.js'))
  const connectionString = await database.databaseFor(`scale_${count}`)
  await migrate({ connectionString })
  const startedAt = performance.now()
  await fill(connectionString, { count, done: (there) => { say(`${there} of ${count} sessions`) } })
  await settle(connectionString)
  const fillSeconds = (performance.now() - startedAt) / 1_000
  const disk = await sizesOf(connectionString)
  return { count, connectionString, fillSeconds, disk, process: await ContenderProcess.open(`store-${count}`, connectionString, { main: STORE }) }
}

/** What is measured: the verbs of the store, a cleanup, and the store's read in pgbench. */
async function waysOf () {
  const { get } = await import(urlOf('dist/stores/postgres/statements.js'))
  const { tables } = await import(urlOf('dist/stores/postgres/names.js'))
  const pgbench = await findPgbench()
  return [
    ...OPERATIONS.map((operation) => ({ operation, run: runOperation(operation) })),
    { operation: 'cleanup of 1,000', run: runCleanup },
    ...(pgbench === null
      ? []
      : [{ operation: 'get in pgbench', run: ({ count, connectionString }, { seconds }) => runPgbench(pgbench, connectionString, scriptOf(get(tables(), ''), count - 1, [idOf(':n')]), { clients: 10, seconds }) }])
  ]
}

function runOperation (operation) {
  return async ({ process, count }, { seconds, warmUpSeconds, callers }) => {
    await process.ask('run', { operation, count, callers, seconds: warmUpSeconds })
    return await process.ask('run', { operation, count, callers, seconds })
  }
}

/** Sessions removed a second. Those that go stand beside the table's own, whose number stays. */
async function runCleanup ({ process, count, connectionString }, { round }) {
  await fill(connectionString, { first: count + round * EXPIRED, count: EXPIRED, expired: true })
  const { removed, seconds } = await process.ask('cleanup')
  if (removed !== EXPIRED) throw new Error(`cleanup has removed ${removed} of ${EXPIRED} expired sessions`)
  return { rate: removed / seconds }
}

function rowOf (operation, count, found, smallest) {
  const roundsOf = (of) => found.filter((one) => one.operation === operation && one.count === of).map(({ figures }) => figures)
  const [rounds, base] = [roundsOf(count), roundsOf(smallest)]
  const of = (name) => rounds[0][name] === undefined ? null : summary(rounds.map((figures) => figures[name]))
  return {
    operation,
    count,
    rate: of('rate'),
    p50: of('p50'),
    p99: of('p99'),
    rounds,
    ratio: count === smallest ? null : summary(rounds.map(({ rate }, round) => rate / base[round].rate))
  }
}
