import { Writable } from 'node:stream'
import pg from 'pg'
import t from 'tap'
import { duration, Progress } from '../../src/cli/progress.js'
import { migrateUp } from '../../src/service/database/migrations.js'
import { borrowEmbeddedPostgres } from '../../src/service/embedded-postgres.js'
import { layoutOf } from '../../src/service/embedded-postgres/cluster.js'
import { findPostmaster } from '../../src/service/embedded-postgres/postmaster.js'
import { freshDatabase } from '../helpers/database.js'
import { PROGRAM, runProgram, silverback } from './command.js'
import { addExpired, addSession, addUser } from './users.js'

const prepare = migrateUp

/** What is written to a screen of so many columns; 0: no terminal. */
class Paper extends Writable {
  text = ''
  readonly isTTY: boolean
  readonly columns: number
  constructor (columns = 80) {
    super()
    this.isTTY = columns > 0
    this.columns = columns
  }

  override _write (chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

void t.test('cleanup removes what has expired and nothing else, and says how many', async (t) => {
  const { connectionString: DATABASE_URL, pool } = await freshDatabase(t, { prepare })
  await addExpired(pool, 2_500, 10)
  const live = await addSession(pool)
  t.match(await silverback(t, { DATABASE_URL }, 'cleanup'), { code: 0, out: /^removed 2,500 expired sessions in \d+ s\n$/, err: /^cleanup: 100% 2,500 of 2,500, [\d,]+ rows\/s\n$/ })
  t.strictSame((await pool.query('SELECT id FROM sessions')).rows, [{ id: live }])
  t.match(await silverback(t, { DATABASE_URL }, 'cleanup'), { code: 0, out: /^removed 0 expired sessions/, err: '' })
})

void t.test('cleanup removes old attempts, events and counts as well, and keeps those of EVENT_RETENTION', async (t) => {
  const { connectionString: DATABASE_URL, pool } = await freshDatabase(t, { prepare })
  const userId = await addUser(pool, 'ada@example.com')
  await pool.query("INSERT INTO session_events (at, user_id, kind) SELECT now() - n * interval '40 minutes', $1, 'signedIn' FROM generate_series(1, 3) AS n", [userId])
  await pool.query("INSERT INTO stats (name, bucket, value) SELECT 'sign_ins', now() - n * interval '40 minutes', 1 FROM generate_series(1, 3) AS n")
  await pool.query("INSERT INTO throttle (key, count, most, doubles, next_at, expires_at) VALUES ('a', 1, 1, false, now(), now() - interval '1 minute'), ('b', 1, 1, false, now(), now() + interval '1 minute')")
  t.match(await silverback(t, { DATABASE_URL, EVENT_RETENTION: '3600' }, 'cleanup'), { code: 0 })
  const count = async (table: string) => (await pool.query(`SELECT FROM ${table}`)).rowCount
  t.strictSame([await count('session_events'), await count('stats'), await count('throttle')], [1, 1, 1])
})

void t.test('Ctrl-C stops a cleanup in order: what was removed stays removed, and the database that was started for it is stopped', async (t) => {
  const env = { DATA_DIR: t.testdir() }
  const { connectionString, giveBack } = await borrowEmbeddedPostgres({ dataDir: env.DATA_DIR })
  await migrateUp(connectionString)
  const pool = new pg.Pool({ connectionString })
  await addExpired(pool, 100_000, 10)
  await pool.end()
  await giveBack()
  const { code, out, err } = await runProgram(t, { ...env, TERM: 'xterm' }, process.execPath, '-e', `
    const child = require('node:child_process').spawn('script', ['-qec', ${JSON.stringify(`exec '${process.execPath}' '${PROGRAM}' cleanup`)}, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', (chunk) => { text += chunk; if (text.includes('rows/s') && child.stdin.writable) child.stdin.end('\\x03') })
    child.on('close', (code) => { process.stdout.write(text); process.exitCode = code })`)
  t.equal(code, 1, err)
  t.match(out, /removed [\d,]+ expired sessions in .*stopped before the end/s)
  t.equal(await findPostmaster(layoutOf(env.DATA_DIR)), null)
  const after = await borrowEmbeddedPostgres({ dataDir: env.DATA_DIR })
  const client = new pg.Client({ connectionString: after.connectionString })
  await client.connect()
  const { rowCount } = await client.query('SELECT FROM sessions')
  await client.end()
  await after.giveBack()
  t.ok((rowCount ?? 0) > 0 && (rowCount ?? 0) < 100_000, String(rowCount))
})

void t.test('on a terminal cleanup shows a bar', async (t) => {
  const { connectionString: DATABASE_URL, pool } = await freshDatabase(t, { prepare })
  await addExpired(pool, 20_000, 10)
  const { code, out } = await runProgram(t, { DATABASE_URL, TERM: 'xterm' }, 'script', '-qec', `'${process.execPath}' '${PROGRAM}' cleanup`, '/dev/null')
  t.equal(code, 0)
  const bars = out.split('\r\u{1b}[K')
  t.match(bars.at(-1), /^cleanup \[#{24}\] 100% 20,000 of 20,000, [\d,]+ rows\/s\r\nremoved 20,000 expired sessions/)
})

void t.test('the bar shows rows, share, rate and the time that is left, and no more often than an eye sees', (t) => {
  const screen = new Paper()
  let now = 0
  const progress = new Progress({ screen, label: 'cleanup', total: 1_000_000, now: () => now })
  progress.update(1)
  t.equal(screen.text, '', 'not before a tenth of a second')
  now = 10_000
  progress.update(250_000)
  t.equal(screen.text, '\r\u{1b}[Kcleanup [####---------------] 25% 250,000 of 1,000,000, 25,000 rows/s, ETA 30 s')
  progress.update(250_001)
  now = 40_000
  progress.end(1_000_000)
  t.ok(screen.text.endsWith('ETA 30 s\r\u{1b}[Kcleanup [########################] 100% 1,000,000 of 1,000,000, 25,000 rows/s\n'))
  for (const line of screen.text.split('\r\u{1b}[K')) t.ok(line.trimEnd().length < 80, line)
  t.end()
})

void t.test('a narrow screen gets no bar, and no second line', (t) => {
  const screen = new Paper(40)
  let now = 0
  const progress = new Progress({ screen, label: 'cleanup', total: 1_000_000, now: () => now })
  now = 10_000
  progress.update(250_000)
  t.equal(screen.text, '\r\u{1b}[Kcleanup 25% 250,000 of 1,000,000, 25,00')
  t.end()
})

void t.test('elsewhere than on a terminal there are plain lines, one in ten seconds', (t) => {
  const screen = new Paper(0)
  let now = 0
  const progress = new Progress({ screen, label: 'cleanup', total: 4_000, now: () => now })
  for (now = 1_000; now <= 20_000; now += 1_000) progress.update(now / 10)
  progress.end(4_000)
  t.strictSame(screen.text.trimEnd().split('\n'), [
    'cleanup: 25% 1,000 of 4,000, 100 rows/s, ETA 30 s',
    'cleanup: 50% 2,000 of 4,000, 100 rows/s, ETA 20 s',
    'cleanup: 100% 4,000 of 4,000, 190 rows/s'
  ])
  t.end()
})

void t.test('durations are told in two units', (t) => {
  t.strictSame([0.2, 59, 61, 3_660, 90_000].map(duration), ['1 s', '59 s', '1 min 1 s', '1 h 1 min', '1 d 1 h'])
  t.end()
})
