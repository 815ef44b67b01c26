import { chmod, cp, lstat, mkdir, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import t from 'tap'
import { startEmbeddedPostgres } from '../../src/service/embedded-postgres.js'
import { findBinaries } from '../../src/service/embedded-postgres/binaries.js'
import { FAST, query, start, temporaryFolder } from './embedded-postgres-parts.js'

/** A program that is there and fails, as `unshare` does where user namespaces are forbidden. */
const NO_NAMESPACES = 'false'
const isRoot = process.getuid?.() === 0

void t.test("npm's programs work although the links between their libraries are missing", async (t) => {
  const folder = await temporaryFolder(t)
  const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
  const packed = join(dirname(entry), '..')
  const copy = join(folder, 'package')
  await cp(packed, copy, { recursive: true, filter: async (path) => !(await lstat(path)).isSymbolicLink() })

  const binaries = join(copy, 'native/bin')
  const server = await start(t, join(folder, 'data'), { binaries })
  t.match(await query(server.connectionString, 'SELECT version()'), [{ version: 'PostgreSQL 18' }])
  await server.stop()
  await t.resolves(start(t, join(folder, 'data'), { binaries }), 'and again, with the links in place')
})

void t.test('a folder without a server is not used: client programs only, or nothing', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'psql'), '', { mode: 0o755 })
  const refusal = await findBinaries(folder, null, 'data').then(() => null, (error: unknown) => error)
  t.match(refusal, { code: 'ERR_POSTGRES_MISSING', message: /DATABASE_URL.*install PostgreSQL/ })
  t.match(refusal, { message: folder })
})

void t.test("the machine's pg_config may belong to an install of client programs only", async (t) => {
  const folder = await temporaryFolder(t)
  const path = process.env['PATH'] ?? ''
  await mkdir(join(folder, 'client'))
  await writeFile(join(folder, 'client', 'psql'), '', { mode: 0o755 })
  await writeFile(join(folder, 'pg_config'), `#!/bin/sh\necho ${join(folder, 'client')}\n`, { mode: 0o755 })
  process.env['PATH'] = `${folder}:${path}`
  t.teardown(() => { process.env['PATH'] = path })
  const { postgres } = await findBinaries(undefined, null, 'data')
  t.notOk(postgres.startsWith(folder))
})

void t.test('programs that cannot run are passed over, with the reason', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'initdb'), '', { mode: 0o755 })
  await writeFile(join(folder, 'postgres'), '#!/bin/sh\necho a library is missing >&2; exit 127\n', { mode: 0o755 })
  await t.rejects(findBinaries(folder, null, 'data'), { code: 'ERR_POSTGRES_MISSING', message: /a library is missing/ })
})

void t.test('where user namespaces are forbidden, root gets a server under another uid', async (t) => {
  const dataDir = await temporaryFolder(t)
  const server = await start(t, dataDir, { unshare: NO_NAMESPACES })
  await query(server.connectionString, 'CREATE TABLE kept AS SELECT 42 AS answer')
  const { uid } = await stat(join(dataDir, 'cluster'))
  if (isRoot) t.not(uid, 0)
  else t.equal(uid, process.getuid?.())
  t.equal((await stat(dataDir)).uid, process.getuid?.(), 'the data folder itself stays ours')
  await server.stop()

  const inNamespace = await start(t, dataDir)
  t.strictSame(await query(inNamespace.connectionString, 'SELECT answer FROM kept'), [{ answer: 42 }], 'and with namespaces, where they are allowed, the data serve again')
  await inNamespace.stop()
})

void t.test('a folder closed to every account but root is refused where namespaces are forbidden', async (t) => {
  const closed = await temporaryFolder(t)
  await chmod(closed, 0o700)
  const attempt = startEmbeddedPostgres({ dataDir: join(closed, 'data'), settings: FAST, unshare: NO_NAMESPACES })
  if (isRoot) {
    await t.rejects(attempt, { code: 'ERR_POSTGRES_USER', message: /ordinary user.*DATABASE_URL/ })
  } else {
    await t.resolves(attempt.then(async (server) => await server.stop()), 'an ordinary user needs no other account')
  }
})
