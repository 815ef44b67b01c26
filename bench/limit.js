/**
 * `npm run bench:limit`: the statements that Silverback sends, without Silverback. What no session store on this machine,
 * with this PostgreSQL and this driver, can be faster than.
 *
 * Three ways: pgbench, prepared, over as many connections; the driver, the same; and a PostgresStore with as many callers
 * as the batches hold.
 *
 * @module
 */
import { COMMON_USAGE, readFlags } from './lib/arguments.js'
import { interrupted, runCommand, say } from './lib/command.js'
import { startDatabase } from './lib/database.js'
import { fill, idOf, secretHashOf, sessionOf, settle } from './lib/fill.js'
import { REPORT } from './lib/limit-report.js'
import { loop } from './lib/loop.js'
import { describeMachine, loadAverage } from './lib/machine.js'
import { findPgbench, runPgbench, scriptOf } from './lib/pgbench.js'
import { fromRoot, urlOf } from './lib/root.js'
import { summary } from './lib/statistics.js'

const USAGE = `npm run bench:limit -- [options]

  --quick                 half a minute: to see that all works
${COMMON_USAGE}`

const PRESETS = {
  quick: { mode: 'quick', rounds: 1, seconds: 1, warmUpSeconds: 0.2, sessions: 2_000 },
  default: { mode: 'default', rounds: 5, seconds: 3, warmUpSeconds: 1, sessions: 10_000 }
}
const IDLE_SECONDS = 14 * 86_400

await runCommand({ usage: USAGE, readOptions, measure, report: REPORT })

function readOptions (args) {
  const { quick, ...common } = readFlags(args, { quick: { type: 'boolean' } })
  return { ...PRESETS[quick ? 'quick' : 'default'], ...common }
}

async function measure ({ mode, rounds, seconds, warmUpSeconds, sessions }) {
  const before = loadAverage()
  const database = await startDatabase()
  try {
    const connectionString = await database.databaseFor('limit')
    const { migrate } = await import(urlOf('dist/index.js'))
    await migrate({ connectionString })
    await fill(connectionString, { count: sessions })
    await settle(connectionString)
    const ways = await waysOf(connectionString, sessions)
    const found = ways.map(() => [])
    for (let round = 1; round <= rounds; round++) {
      for (const [n, { statement, through, atOnce, run }] of ways.entries()) {
        interrupted.throwIfAborted()
        found[n].push(await run({ seconds, warmUpSeconds }))
        say(`${round}/${rounds} ${statement} through ${through}, ${atOnce} at once: ${found[n].at(-1).rate.toFixed(0)} a second`)
      }
    }
    const machine = { ...describeMachine(), postgres: await database.describe(), loadAverage: [before, loadAverage()] }
    return { machine, run: { mode, rounds, seconds, sessions }, rows: ways.map((way, n) => rowOf(way, found[n])) }
  } finally {
    await database.stop()
  }
}

function rowOf ({ statement, through, atOnce, sessions }, rounds) {
  const of = (name) => rounds[0][name] === undefined ? null : summary(rounds.map((figures) => figures[name]))
  return { statement, through, atOnce, sessions, rate: of('rate'), mean: of('mean'), cpuMicros: of('cpuMicros'), rounds }
}

/** What is measured, statement by statement. Four are more than Silverback has under way: the server's two cores are busy then. */
async function waysOf (connectionString, count) {
  const all = Array.from({ length: count }, (_, n) => sessionOf(n))
  const sql = await statementsOf(all)
  const pgbench = await findPgbench()
  const statements = [
    { statement: 'get', of: sql.get, sessions: 1, atOnce: 1 },
    { statement: 'get', of: sql.get, sessions: 1, atOnce: 10 },
    { statement: 'getMany of 16', of: sql.getMany(16), sessions: 16, atOnce: 1 },
    { statement: 'getMany of 16', of: sql.getMany(16), sessions: 16, atOnce: 4 },
    { statement: 'getMany of 32', of: sql.getMany(32), sessions: 32, atOnce: 1 },
    { statement: 'saveMany of 16', of: sql.saveMany(16), sessions: 16, atOnce: 1 },
    { statement: 'saveMany of 16', of: sql.saveMany(16), sessions: 16, atOnce: 4 }
  ]
  return [
    ...statements.flatMap(({ of, ...row }) => [
      ...(pgbench === null ? [] : [{ ...row, through: 'pgbench', run: ({ seconds }) => runPgbench(pgbench, connectionString, of.script(row.atOnce), { clients: row.atOnce, seconds }) }]),
      { ...row, through: 'driver', run: (times) => runDriver(connectionString, of.statement, row.atOnce, times) }
    ]),
    ...[['get', 1], ['get', 32], ['get', 64], ['save', 1], ['save', 32], ['save', 64]].map(([statement, atOnce]) => (
      { statement, through: 'store', sessions: 1, atOnce, run: (times) => runStore(connectionString, statement, atOnce, { all, ...times }) }
    ))
  ]
}

/**
 * For each statement how to send it from here, `statement(caller, callers)`, and from pgbench, `script(clients)`. Of several
 * clients each writes to sessions of its own: a batch of saves passes over those that another has locked. Of a save all of
 * the record comes back: nothing was seen before.
 */
async function statementsOf (all) {
  const { get, getMany } = await import(urlOf('dist/stores/postgres/statements.js'))
  const { saveMany } = await import(urlOf('dist/stores/postgres/bulk-statements.js'))
  const { tables } = await import(urlOf('dist/stores/postgres/names.js'))
  const [where, count] = [tables(), all.length]
  const upTo = (most) => Math.floor(Math.random() * (most + 1))
  const arrayOf = (size, sql) => `ARRAY(SELECT ${sql} FROM generate_series(0, ${size - 1}) AS i)`
  const entryOf = ({ id, secretHash }) => ({ id, secretHash, change: { set: { n: upTo(1e6) }, unset: [], idleSeconds: IDLE_SECONDS }, changes: 1 })
  return {
    get: {
      statement: () => get(where, all[upTo(count - 1)].id),
      script: () => scriptOf(get(where, ''), count - 1, [idOf(':n')])
    },
    getMany: (size) => ({
      statement () {
        const first = upTo(count - size)
        return getMany(where, all.slice(first, first + size).map(({ id }) => id))
      },
      script: () => scriptOf(getMany(where, []), count - size, [arrayOf(size, idOf('(:n + i)'))])
    }),
    saveMany: (size) => ({
      statement (caller, callers) {
        const own = Math.floor(count / callers)
        const first = caller * own + upTo(own - size)
        return saveMany(where, all.slice(first, first + size).map(entryOf))
      },
      script (clients) {
        const own = Math.floor(count / clients)
        const n = `(:client_id * ${own} + :n + i)`
        return scriptOf(saveMany(where, []), own - size, [
          arrayOf(size, idOf(n)), arrayOf(size, secretHashOf(n)), arrayOf(size, `${IDLE_SECONDS}::float8`), arrayOf(size, '1'),
          arrayOf(size, 'jsonb_build_object(\'n\', :n::integer)::text'), arrayOf(size, '\'[]\''), arrayOf(size, '\'0\'::xid')
        ])
      }
    })
  }
}

/** The same statement, named and so prepared, over as many connections. */
async function runDriver (connectionString, statement, callers, { seconds, warmUpSeconds }) {
  const pool = new (fromRoot('pg').Pool)({ connectionString, max: callers })
  try {
    const act = async (caller) => {
      const { name, text, values } = statement(caller, callers)
      const { rows } = await pool.query({ name, text, values })
      if (rows.length === 0 || Object.values(rows[0])[0] === null) throw new Error(`${name} gave no rows`)
    }
    await loop({ callers, seconds: warmUpSeconds }, act)
    return await loop({ callers, seconds }, act)
  } finally {
    await pool.end()
  }
}

/** The same through a PostgresStore with default settings: batches, checks and records included, HTTP not. */
async function runStore (connectionString, verb, callers, { all, seconds, warmUpSeconds }) {
  const { PostgresStore } = await import(urlOf('dist/index.js'))
  const store = new PostgresStore({ connectionString })
  const own = Math.floor(all.length / callers)
  try {
    const act = async (caller) => {
      const { id, secretHash } = all[caller * own + Math.floor(Math.random() * own)]
      const found = verb === 'get' ? await store.get(id) : await store.save(id, secretHash, { set: { n: caller }, unset: [], idleSeconds: IDLE_SECONDS })
      if (found === null) throw new Error(`${verb} found no session`)
    }
    await loop({ callers, seconds: warmUpSeconds }, act)
    return await loop({ callers, seconds }, act)
  } finally {
    await store.close()
  }
}
