import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { lockFolder } from '../../src/service/embedded-postgres/lock.js'
import { findProcess } from '../../src/service/embedded-postgres/process.js'
import { kill, nextLine, temporaryFolder } from './embedded-postgres-parts.js'

const LOCK = new URL('../../dist/service/embedded-postgres/lock.js', import.meta.url).href
const ROUNDS = 10
const STARTERS = 6
/** Linux gives no process so high a pid. */
const NO_PID = 2 ** 22 + 1

/** A process that waits for a line on its stdin, tries to take the lock, says how that went, and keeps what it has. */
async function starter (t: Test, folder: string): Promise<ChildProcess> {
  const script = `
    const { lockFolder } = await import(${JSON.stringify(LOCK)})
    process.stdin.once('data', () => lockFolder(${JSON.stringify(folder)}).then(() => 'held', (error) => error.code).then(console.log))
    console.log('ready')`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => kill(child))
  await nextLine(child)
  return child
}

void t.test('of many processes that find one stale lock at once exactly one takes it, round after round', async (t) => {
  const folder = await temporaryFolder(t)
  for (let round = 0; round < ROUNDS; round++) { // each round finds the lock of the killed winner of the one before
    const starters = await Promise.all(Array.from({ length: STARTERS }, () => starter(t, folder)))
    const outcomes = starters.map((child) => nextLine(child))
    for (const child of starters) child.stdin?.write('go\n')
    t.strictSame((await Promise.all(outcomes)).sort(), [...Array.from({ length: STARTERS - 1 }, () => 'ERR_DATA_DIR_IN_USE'), 'held'])
    await Promise.all(starters.map(kill))
  }
  await lockFolder(folder)
  t.strictSame(await readdir(folder), ['service.lock'], 'nothing is left beside the lock')
})

void t.test('a starter killed between its claim and its lock is succeeded in its turn', async (t) => {
  const folder = await temporaryFolder(t)
  const stale = `${NO_PID}\n1\nfirst\n`
  const claim = createHash('sha256').update(stale).digest('hex').slice(0, 32)
  await writeFile(join(folder, 'service.lock'), stale)
  await writeFile(join(folder, `service.lock.claim-${claim}`), `${NO_PID}\n1\nsecond\n`)
  await t.resolves(lockFolder(folder))
  t.strictSame(await readdir(folder), ['service.lock'])
  await t.rejects(lockFolder(folder), { code: 'ERR_DATA_DIR_IN_USE' })
})

void t.test('a live claim on a stale lock counts', async (t) => {
  const folder = await temporaryFolder(t)
  const stale = `${NO_PID}\n1\nfirst\n`
  const claim = createHash('sha256').update(stale).digest('hex').slice(0, 32)
  const self = await findProcess(process.pid)
  await writeFile(join(folder, 'service.lock'), stale)
  await writeFile(join(folder, `service.lock.claim-${claim}`), `${process.pid}\n${self?.startTime ?? ''}\nsecond\n`)
  await t.rejects(lockFolder(folder), { code: 'ERR_DATA_DIR_IN_USE' })
})

void t.test('an empty lock, left by a crash of the machine, is taken over', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'service.lock'), '')
  await t.resolves(lockFolder(folder))
})

void t.test('release gives the folder free once, and never the lock of a later holder', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await lockFolder(folder)
  await first.release()
  const second = await lockFolder(folder)
  await first.release()
  await t.rejects(lockFolder(folder), { code: 'ERR_DATA_DIR_IN_USE' })
  await second.release()
  t.strictSame(await readdir(folder), [])
})
