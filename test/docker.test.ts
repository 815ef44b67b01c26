import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { validate } from 'dockerfile-utils'
import t from 'tap'
import pg from 'pg'
import { parse } from 'yaml'
import { SECRETS, VARIABLES } from '../src/service/config.js'
import { databaseUrlFault } from '../src/stores/postgres/connection-string.js'
import { freshDatabase } from './helpers/database.js'
import { buildStages, copiesOf, isIgnored, parseDockerfile, toolsEnvironment, within } from './helpers/dockerfile.js'
import { readDocument, ROOT, runCommands } from './helpers/document.js'
import { freePort } from './helpers/free-port.js'
import { untilStatus } from './helpers/service-process.js'

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const DOCKERFILE = read('Dockerfile')
const DOCKERIGNORE = read('.dockerignore')

interface Service {
  readonly environment: Record<string, string>
  readonly secrets: string[]
  readonly ports?: string[]
  readonly volumes: string[]
}

interface Compose {
  readonly services: { readonly silverback: Service, readonly postgres: Service }
  readonly volumes: Record<string, unknown>
  readonly secrets: Record<string, { readonly file: string }>
}

const compose: Compose = parse(read('compose.yaml'))
const operators = readDocument('docs/operators.md')

t.test('the linter has nothing to say about the Dockerfile', async (t) => {
  t.strictSame(validate(DOCKERFILE, { directiveCasing: 2, instructionCasing: 2, instructionWorkdirRelative: 2, deprecatedMaintainer: 2, instructionCmdMultiple: 2, instructionEntrypointMultiple: 2, instructionHealthcheckMultiple: 2, instructionJSONInSingleQuotes: 2, emptyContinuationLine: 2 }), [])
})

t.test('every file that the Dockerfile copies is there, and not kept out by .dockerignore', async (t) => {
  const sources = copiesOf(parseDockerfile(DOCKERFILE)).filter(({ from }) => from === null).flatMap(({ sources }) => sources)
  t.ok(sources.length >= 8)
  for (const source of sources) {
    t.ok(existsSync(join(ROOT, source)), `${source} is there`)
    t.notOk(isIgnored(DOCKERIGNORE, source), `${source} is not kept out`)
  }
  for (const path of ['.env', '.data', '.git', 'node_modules', 'secrets', 'test', 'dist']) t.ok(isIgnored(DOCKERIGNORE, path), `${path} is kept out`)
})

t.test('the image is not run by root, has a health check, and no secret is baked into it', async (t) => {
  const instructions = parseDockerfile(DOCKERFILE)
  const last = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'))
  t.equal(last.find(({ name }) => name === 'USER')?.text, 'node')
  t.ok(last.some(({ name }) => name === 'HEALTHCHECK'))
  const variables = instructions.filter(({ name }) => name === 'ENV' || name === 'ARG').flatMap(({ text }) => text.split(/\s+/).map((pair) => pair.split('=', 1)[0] ?? ''))
  t.strictSame(variables.filter((name) => !VARIABLES.includes(name)), ['JITI_FS_CACHE'])
  t.strictSame(variables.filter((name) => SECRETS.some((secret) => name.startsWith(secret))), [])
})

t.test('every variable of compose.yaml is one that the service reads, and every secret comes from a file', async (t) => {
  const { silverback, postgres } = compose.services
  t.strictSame(Object.keys(silverback.environment).filter((name) => !VARIABLES.includes(name)), [])
  for (const [name, value] of [...Object.entries(silverback.environment), ...Object.entries(postgres.environment)]) {
    if (/PASSWORD|KEYS|DATABASE_URL/.test(name)) t.match(value, /^\/run\/secrets\/\w+$/, `${name} names a secret`)
  }
  for (const service of [silverback, postgres]) {
    const named = Object.values(service.environment).flatMap((value) => /^\/run\/secrets\/(\w+)$/.exec(value)?.[1] ?? [])
    t.strictSame(named.sort(), [...service.secrets].sort(), 'what is named is what is handed in')
  }
  t.strictSame([...new Set([...silverback.secrets, ...postgres.secrets])].sort(), Object.keys(compose.secrets).sort())
  for (const [name, { file }] of Object.entries(compose.secrets)) t.equal(file, `./secrets/${name}`)
  t.strictSame([...silverback.volumes, ...postgres.volumes].filter((volume) => !Object.hasOwn(compose.volumes, volume.split(':', 1)[0] ?? '')), [])
  for (const port of silverback.ports ?? []) t.match(port, /^127\.0\.0\.1:/, 'nobody reaches the port but this machine')
})

/** The secrets as docs/operators.md says to make them. */
async function makeSecrets (folder: string): Promise<string> {
  await runCommands([`{ ${operators.block('secrets')}\n} >&2`], { cwd: folder, env: toolsEnvironment() })
  return join(folder, 'secrets')
}

t.test('the secrets that docs/operators.md makes are those that compose.yaml wants, and open to nobody else', async (t) => {
  const folder = t.testdir({})
  const secrets = await makeSecrets(folder)
  t.strictSame(readdirSync(secrets).sort(), Object.keys(compose.secrets).sort())
  const url = readFileSync(join(secrets, 'database_url'), 'utf8').trim()
  t.equal(databaseUrlFault(url, true), null, 'production accepts it')
  const client = new pg.Client({ connectionString: url })
  t.match({ host: client.host, user: client.user, database: client.database }, { host: '/var/run/postgresql', user: 'silverback', database: 'silverback' })
  t.equal(client.password, readFileSync(join(secrets, 'postgres_password'), 'utf8').trim())
})

t.test('the image that the Dockerfile makes runs in production with secrets from files, writes nothing, and stops on SIGTERM', { timeout: 120_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'silverback-image-')) // not below the checkout: node_modules above would be found
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const { connectionString } = await freshDatabase(t)
  mkdirSync(join(folder, 'host'))
  const secrets = await makeSecrets(join(folder, 'host'))
  writeFileSync(join(secrets, 'database_url'), connectionString)
  const image = await buildStages(ROOT, folder)
  const app = join(image.root, image.workdir)

  for (const name of ['typescript', 'tap', 'eslint', 'esbuild']) t.notOk(existsSync(join(app, 'node_modules', name)), `without ${name}`)
  for (const name of readdirSync(join(ROOT, 'migrations'), { recursive: true, encoding: 'utf8' })) t.ok(existsSync(join(app, 'migrations', name)), `with migrations/${name}`)

  const port = String(await freePort())
  const given = Object.entries(compose.services.silverback.environment).map(([name, value]) =>
    [name, value.replace('/run/secrets', secrets).replace(/\$\{SILVERBACK_URL:\?[^}]*\}/, 'https://auth.example.com')])
  const env = { PATH: process.env['PATH'], ...image.env, ...Object.fromEntries(given), PORT: port }
  const filesOf = (): string[] => readdirSync(image.root, { recursive: true, encoding: 'utf8' })
  const before = new Set(filesOf())

  const [, ...args] = image.command
  t.equal(image.command[0], 'node')
  const service = spawn(process.execPath, args, { cwd: app, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [service.stdout, service.stderr]) stream.on('data', (chunk: Buffer) => { output += chunk.toString() })
  const exited = once(service, 'exit')
  t.teardown(async () => {
    if (service.exitCode === null && service.kill('SIGKILL')) await exited
  })
  const ready = await Promise.race([untilStatus(`http://127.0.0.1:${port}/readyz`, 200), exited.then(() => null)])
  if (ready === null) throw new Error(`the service ended: ${output}`)
  t.equal((await fetch(`http://127.0.0.1:${port}/livez`)).status, 200)
  t.match(await (await fetch(`http://127.0.0.1:${port}/`)).text(), '<html', 'with what its pages need')

  const [, ...check] = image.healthcheck
  await t.resolves(promisify(execFile)(process.execPath, check, { env }), 'the health check passes')
  await t.rejects(promisify(execFile)(process.execPath, check, { env: { ...env, PORT: String(await freePort()) } }), 'and fails where nobody answers')

  const program = join(within(image, '/usr/local/bin/'), 'silverback')
  const help = await promisify(execFile)(program, ['--help'], { env, cwd: app })
  t.match(help.stdout, /doctor/, 'the command line is there')

  service.kill('SIGTERM')
  const [code] = await exited
  t.equal(code, 0, 'it stops by itself')
  t.strictSame(filesOf().filter((file) => !before.has(file)), [], 'it has written no file')
  const secret = readFileSync(join(secrets, 'session_auth_keys'), 'utf8').trim()
  t.notOk(output.includes(secret), 'no key is in the log')
})
