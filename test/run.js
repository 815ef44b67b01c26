/**
 * What `npm test` runs: provides the programs that tests need, starts one PostgreSQL for all of them, and runs `tap`
 * with the arguments given. Ends with tap's exit code, or 1 when `CI` is set and a program is missing.
 *
 * Sets for the tests: `TEST_DATABASE_URL`, the superuser's connection string; `SILVERBACK_TEST_WITHOUT`, the programs
 * that are missing, with commas between; `TMPDIR`, a folder that is removed at the end.
 *
 * Reads `SILVERBACK_TEST_POSTGRES`: whose PostgreSQL to use, `system`, `npm` or a folder of programs.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, appendFile, chmod, constants, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startEmbeddedPostgres } from '../dist/service/embedded-postgres.js'

/** By name, with Debian's package of each. */
const PROGRAMS = { pgbouncer: 'pgbouncer', nginx: 'nginx', chromium: 'chromium', pg_dump: 'postgresql-client' }
/** Where programs are looked for, by the tests too: servers stand where an ordinary user does not look. */
const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
const APT = ['-y', '-qq', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=2', '-o', 'Acquire::http::Timeout=30']
/** Debian asks this program whether a package may start its server. Ours must not: the tests start their own. */
const POLICY = '/usr/sbin/policy-rc.d'
const SETTINGS = {
  fsync: 'off',
  full_page_writes: 'off',
  max_connections: '300',
  shared_preload_libraries: 'pg_stat_statements',
  track_functions: 'all',
  track_io_timing: 'on'
}

const folder = await mkdtemp(join(tmpdir(), 'silverback-test-'))
await chmod(folder, 0o711) // other users, such as those that root runs servers as, may pass through
let interrupted = false
let running = null
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interrupted = true
    if (running !== null) signalGroup(running.pid, signal)
  })
}

try {
  process.exitCode = await main()
} finally {
  await stopLeftovers()
  await rm(folder, { recursive: true, force: true })
}

async function main () {
  const missing = await provide(Object.keys(PROGRAMS))
  if (interrupted) return 130
  const cluster = await startCluster()
  try {
    const tap = join(dirname(fileURLToPath(import.meta.url)), '../node_modules/.bin/tap')
    const env = { ...process.env, PATH: FOLDERS.join(delimiter), TEST_DATABASE_URL: cluster.connectionString, SILVERBACK_TEST_WITHOUT: missing.join(','), TMPDIR: folder }
    const code = interrupted ? 130 : await run(tap, process.argv.slice(2), { stdio: ['ignore', 'inherit', 'inherit'], env })
    if (missing.length === 0) return code
    console.error(`\n*** NOT TESTED, for want of: ${missing.join(', ')}. Install ${missing.length > 1 ? 'them' : 'it'} and run the tests again. ***\n`)
    return process.env.CI ? code || 1 : code
  } finally {
    await cluster.stop()
  }
}

/** Resolves to those of the programs that are not there and could not be installed. */
async function provide (programs) {
  const missing = await findMissing(programs)
  const canInstall = process.getuid?.() === 0 && (await findMissing(['apt-get'])).length === 0
  if (missing.length === 0 || !canInstall) return missing
  console.error(`installing ${missing.join(', ')} ...`)
  const log = join(folder, 'apt.log')
  const withPolicy = await writeFile(POLICY, '#!/bin/sh\nexit 101\n', { flag: 'wx', mode: 0o755 }).then(() => true, () => false)
  try {
    await runLogged(log, 'apt-get', [...APT, 'update'])
    for (const program of missing) await runLogged(log, 'apt-get', [...APT, '--no-install-recommends', 'install', PROGRAMS[program]])
  } finally {
    if (withPolicy) await rm(POLICY, { force: true })
  }
  const still = await findMissing(missing)
  if (still.length > 0) console.error((await readFile(log, 'utf8')).slice(-2_000))
  return still
}

async function findMissing (programs) {
  const found = await Promise.all(programs.map((program) =>
    Promise.any(FOLDERS.map((path) => access(join(path, program), constants.X_OK))).then(() => true, () => false)))
  return programs.filter((_, index) => !found[index])
}

/** On the machine's PostgreSQL, or on npm's when that lacks the statistics module. */
async function startCluster () {
  const binaries = process.env.SILVERBACK_TEST_POSTGRES
  const options = { settings: SETTINGS, listen: 'loopback', ...(binaries ? { binaries } : {}) }
  try {
    return await startEmbeddedPostgres({ ...options, dataDir: join(folder, 'shared') })
  } catch (error) {
    if (binaries || error.code !== 'ERR_POSTGRES_START') throw error
    console.error(`${error.message}\nusing the PostgreSQL of npm instead`)
    return await startEmbeddedPostgres({ ...options, dataDir: join(folder, 'shared-npm'), binaries: 'npm' })
  }
}

/** Stops the servers of tests that were ended before they could do so themselves. */
async function stopLeftovers () {
  const files = await readdir(folder, { recursive: true }).catch(() => [])
  for (const file of files.filter((file) => file.endsWith(join('cluster', 'postmaster.pid')))) {
    await stopLeftover(join(folder, dirname(dirname(file)))).catch((error) => console.error(error.message))
  }
}

/** A service that a test has started may take a moment to notice that the test is gone, and then leaves its server behind. */
async function stopLeftover (dataDir) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await (await startEmbeddedPostgres({ dataDir })).stop()
    } catch (error) {
      if (error.code !== 'ERR_DATA_DIR_IN_USE' || attempt === 50) throw error
      await pause(100)
    }
  }
}

async function runLogged (log, program, args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const output = []
  const code = await run(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env }, (chunk) => output.push(chunk))
  await appendFile(log, `$ ${program} ${args.join(' ')}\n${Buffer.concat(output)}\nexit code ${code}\n`)
}

/**
 * Resolves to the exit code; to 130 when a signal ended the program. It has a process group of its own, for a
 * signal that ends us to reach all that it has started.
 */
async function run (program, args, options, onOutput) {
  running = spawn(program, args, { ...options, detached: true })
  running.stdout?.on('data', onOutput)
  running.stderr?.on('data', onOutput)
  const [code] = await once(running, 'close')
  running = null
  return code ?? 130
}

function signalGroup (pid, signal) {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error // ESRCH: it has ended by itself
  }
}
