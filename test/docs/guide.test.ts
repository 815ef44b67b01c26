import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import ts from 'typescript'
import { freshDatabase } from '../helpers/database.js'
import { bareEnvironment, followTranscript, readDocument, ROOT, startProgram } from '../helpers/document.js'
import { freePort } from '../helpers/free-port.js'

const document = readDocument('docs/guide.md')
const run = promisify(execFile)

/** An empty project with the package, and with those that the programs of the guide use besides. */
function project (t: Test, files: Readonly<Record<string, string>>): string {
  const folder = t.testdir({})
  for (const name of ['silverback', 'fastify', 'pg', 'jose', '@fastify/secure-session']) {
    const target = join(folder, 'node_modules', name)
    mkdirSync(dirname(target), { recursive: true })
    symlinkSync(name === 'silverback' ? ROOT : join(ROOT, 'node_modules', name), target)
  }
  for (const [name, marker] of Object.entries(files)) writeFileSync(join(folder, name), document.block(marker))
  return folder
}

t.test('the typed program of the guide compiles', async (t) => {
  const path = join(project(t, { 'program.ts': 'types' }), 'program.ts')
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ['node'],
    typeRoots: [join(ROOT, 'node_modules/@types')],
    strict: true,
    skipLibCheck: true,
    noEmit: true
  }
  writeFileSync(join(dirname(path), 'package.json'), '{ "type": "module" }')
  const found = ts.getPreEmitDiagnostics(ts.createProgram([path], options))
  t.strictSame(found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')), [])
})

t.test('auth routes with users of the application’s own answer as the guide says, and another service verifies their tokens by the key set', async (t) => {
  const { connectionString, pool } = await freshDatabase(t)
  const port = await freePort()
  const cwd = project(t, { 'server.mjs': 'own users', 'other.mjs': 'other service' })
  const key = (): string => randomBytes(32).toString('base64')
  const env = { ...bareEnvironment(), DATABASE_URL: connectionString, PORT: String(port), SESSION_AUTH_KEYS: key(), TOKEN_REFRESH_KEYS: key() }
  await startProgram(t, { args: ['server.mjs'], cwd, env, port })
  await followTranscript(t, document.transcript('transcript: own users'), { cwd, port })

  const { rows: [person] } = await pool.query('SELECT id FROM people')
  const pair: { access_token: string } = JSON.parse(readFileSync(join(cwd, 'pair.json'), 'utf8'))
  const program = "import { userOf } from './other.mjs'; console.log(await userOf(process.argv[1]).catch((error) => error.code))"
  const userOf = async (token: string): Promise<string> =>
    (await run(process.execPath, ['--input-type=module', '-e', program, token], { cwd, env: { ...bareEnvironment(), ISSUER_URL: `http://localhost:${port}` } })).stdout.trim()
  t.equal(await userOf(pair.access_token), person.id, 'though its session has ended: a key set says nothing of that')
  t.equal(await userOf(`${pair.access_token.slice(0, -8)}AAAAAAAA`), 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED')
})

t.test('the tests that the guide shows pass', async (t) => {
  const cwd = project(t, { 'app.test.mjs': 'tests', 'store.test.mjs': 'store' })
  const { stdout } = await run(process.execPath, ['--test', '--test-reporter=tap', 'app.test.mjs', 'store.test.mjs'], { cwd, env: bareEnvironment() })
  t.match(stdout, /^# fail 0$/m)
  t.ok(Number(/^# pass (\d+)$/m.exec(stdout)?.[1]) > 20, 'every promise of a store is a test')
})

t.test('whoever has a cookie of @fastify/secure-session stays signed in after the change-over, and signs out for good', async (t) => {
  const folder = project(t, { 'app.mjs': 'changing over', 'old.mjs': 'changing over' })
  writeFileSync(join(folder, 'old.mjs'), `
    import secureSession from '@fastify/secure-session'
    import Fastify from 'fastify'
    export async function buildOld (key) {
      const app = Fastify()
      await app.register(secureSession, { cookieName: 'session', key, cookie: { path: '/' } })
      app.post('/login', async (request) => { request.session.set('userId', 'ada'); return {} })
      return app
    }`)
  const load = async (name: string): Promise<Record<string, (options: unknown) => Promise<FastifyInstance>>> => await import(pathToFileURL(join(folder, name)).href)
  const oldKey = randomBytes(32)
  const old = await (await load('old.mjs'))['buildOld']?.(oldKey)
  const app = await (await load('app.mjs'))['buildApp']?.({ oldKey })
  if (old === undefined || app === undefined) throw new Error('no application')
  t.teardown(async () => { await Promise.all([old.close(), app.close()]) })

  const jar = new Map<string, string>()
  const ask = async (to: FastifyInstance, method: 'GET' | 'POST', url: string): Promise<unknown> => {
    const answer = await to.inject({ method, url, cookies: Object.fromEntries(jar) })
    for (const { name, value, maxAge, expires } of answer.cookies) {
      if (value === '' || maxAge === 0 || (expires !== undefined && expires.getTime() < Date.now())) jar.delete(name)
      else jar.set(name, value)
    }
    return answer.json()
  }
  await ask(old, 'POST', '/login')
  t.strictSame([...jar.keys()], ['session'])
  t.strictSame(await ask(app, 'GET', '/me'), { userId: 'ada' })
  t.strictSame([...jar.keys()], ['__Host-sid'], 'the old cookie is gone')
  t.strictSame(await ask(app, 'GET', '/me'), { userId: 'ada' })
  await ask(app, 'POST', '/logout')
  t.strictSame(await ask(app, 'GET', '/me'), { userId: null })
})
