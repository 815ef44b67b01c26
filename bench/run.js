/**
 * `npm run bench`: starts PostgreSQL and every contender, measures them in turn, and says how they compare.
 *
 * @module
 */
import { writeFile } from 'node:fs/promises'
import { interrupted, runCommand, say } from './lib/command.js'
import { ContenderProcess, MAX } from './lib/contender-process.js'
import { startDatabase } from './lib/database.js'
import { describeMachine, loadAverage } from './lib/machine.js'
import { cellsOf, countStatements, measure, profile, warmUp } from './lib/measure.js'
import { summarize } from './lib/profile-summary.js'
import { REPORT } from './lib/report.js'
import { urlOf } from './lib/root.js'
import { tabulate } from './lib/tabulate.js'
import { judge } from './lib/targets.js'
import { packageVersions } from './lib/versions.js'
import { seedVisitors } from './lib/visitors.js'
import { readOptions, USAGE } from './options.js'

/** What a new process is warmed with. */
const WARM_CONNECTIONS = 32

await runCommand({ usage: USAGE, readOptions, measure: main, report: REPORT, failed: ({ rows }) => rows.some(({ failure }) => failure !== null) })

/** Resolves to the result; with `profile` there is none. */
async function main (options) {
  const database = await startDatabase({ max_connections: '200' }) // ten for each pool of every contender
  try {
    if (options.profile) return await withContenders(database, options, (contenders) => profileAll(contenders, options))
    return await compare(database, options)
  } finally {
    await database.stop()
  }
}

/** Starts every contender, in a process and on a database of its own, has the work done, and ends them. */
async function withContenders (database, options, work) {
  const contenders = []
  try {
    for (const name of options.contenders) contenders.push(await startContender(name, database, options))
    return await work(contenders)
  } finally {
    await Promise.all(contenders.map((contender) => contender.stop()))
    for (const { name } of contenders) await database.drop(name)
  }
}

async function startContender (name, database, { visitors }) {
  const contender = await ContenderProcess.open(name, await database.databaseFor(name))
  try {
    contender.visitors = await seedVisitors(contender, visitors)
    say(`${name}: ready`)
    return contender
  } catch (error) {
    await contender.stop()
    throw error
  }
}

/** Each round has processes of its own: of two with the same program one may be a tenth quicker, for as long as it lives. */
async function compare (database, options) {
  const before = loadAverage()
  const statements = []
  const measurements = []
  for (let round = 1; round <= options.rounds; round++) {
    await withContenders(database, options, async (contenders) => {
      await inTurn(contenders, { ...options, connections: [WARM_CONNECTIONS] }, (contender, cell) => warmUp(contender, cell, options))
      if (round === 1) {
        await inTurn(contenders, options, async (contender, cell) => {
          statements.push({ contender: contender.name, ...cell, perRequest: await countStatements(contender, cell) })
        })
      }
      await inTurn(contenders, options, async (contender, cell) => {
        const figures = await measure(contender, cell, options)
        measurements.push({ round, contender: contender.name, ...cell, figures })
        say(`${round}/${options.rounds} ${cell.workload} ${cell.connections} ${contender.name}: ${figures.rate.toFixed(0)} req/s`)
      })
    })
  }
  const machine = { ...describeMachine(), postgres: await database.describe(), loadAverage: [before, loadAverage()] }
  const { mode, rounds, seconds, warmUpSeconds, visitors } = options
  const rows = tabulate(measurements, statements)
  return { machine, packages: await packageVersions(), run: { mode, rounds, seconds, warmUpSeconds, visitors, max: MAX }, rows, targets: judge(rows) }
}

async function profileAll (contenders, options) {
  await inTurn(contenders, options, async (contender, cell) => {
    const { profile: taken, requests } = await profile(contender, cell, options)
    const file = `bench/results/${contender.name}-${cell.workload}-${cell.connections}.cpuprofile`
    await writeFile(urlOf(file), JSON.stringify(taken))
    console.log(`\n${file}\n${summarize(taken, requests)}`)
  })
}

/** A B C for each workload and number of connections. @throws Error when the run was interrupted */
async function inTurn (contenders, options, work) {
  for (const cell of cellsOf(options)) {
    for (const contender of contenders.filter(({ workloads }) => workloads.includes(cell.workload))) {
      interrupted.throwIfAborted()
      await work(contender, cell)
    }
  }
}
