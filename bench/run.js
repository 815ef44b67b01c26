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
import { cellsOf, countStatements, measure, profile } from './lib/measure.js'
import { summarize } from './lib/profile-summary.js'
import { REPORT } from './lib/report.js'
import { urlOf } from './lib/root.js'
import { tabulate } from './lib/tabulate.js'
import { judge } from './lib/targets.js'
import { packageVersions } from './lib/versions.js'
import { seedVisitors } from './lib/visitors.js'
import { readOptions, USAGE } from './options.js'

await runCommand({ usage: USAGE, readOptions, measure: main, report: REPORT, failed: ({ rows }) => rows.some(({ failure }) => failure !== null) })

/** Resolves to the result; with `profile` there is none. */
async function main (options) {
  const database = await startDatabase({ max_connections: '200' }) // ten for each pool of every contender
  const contenders = []
  try {
    for (const name of options.contenders) contenders.push(await startContender(name, database, options))
    if (options.profile) return await profileAll(contenders, options)
    return await compare(contenders, database, options)
  } finally {
    await Promise.all(contenders.map((contender) => contender.stop()))
    await database.stop()
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

async function compare (contenders, database, options) {
  const before = loadAverage()
  const statements = []
  await inTurn(contenders, options, async (contender, cell) => {
    statements.push({ contender: contender.name, ...cell, perRequest: await countStatements(contender, cell) })
  })
  const measurements = []
  for (let round = 1; round <= options.rounds; round++) {
    await inTurn(contenders, options, async (contender, cell) => {
      const figures = await measure(contender, cell, options)
      measurements.push({ round, contender: contender.name, ...cell, figures })
      say(`${round}/${options.rounds} ${cell.workload} ${cell.connections} ${contender.name}: ${figures.rate.toFixed(0)} req/s`)
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
