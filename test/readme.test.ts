import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { resolveManagerOptions } from '../src/session/options.js'
import { MemoryStore } from '../src/stores/memory/store.js'
import { MemoryTokenStore } from '../src/stores/memory/token-store.js'
import { migrate } from '../src/stores/postgres/migrate.js'
import { resolveTokensOptions } from '../src/tokens/options.js'
import { freshDatabase } from './helpers/database.js'
import { freePort } from './helpers/free-port.js'

const ROOT = join(import.meta.dirname, '..')
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')

/** The fenced block that follows a marker. */
function block (marker: string): string {
  const found = new RegExp(`<!-- ${marker} -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\\n\`\`\``).exec(README)?.[1]
  if (found === undefined) throw new Error(`README.md has no block "${marker}"`)
  return found
}

/** Commands, each with the lines it is said to print. */
function transcript (marker: string): { command: string, output: string }[] {
  return block(marker).split(/^\$ /m).slice(1).map((entry) => {
    const [command = '', ...output] = entry.trimEnd().split('\n')
    return { command, output: output.join('\n') }
  })
}

/** A word that ends in "…" stands for one that differs from run to run. */
const pattern = (output: string): RegExp => new RegExp(`^${output.split(/[^"=; ]*…/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^"; ]+')}$`)

/** What each of the commands prints, one after the other in one shell. */
async function run (commands: readonly string[], cwd: string): Promise<string[]> {
  const end = randomBytes(8).toString('hex')
  const child = spawn('bash', [], { cwd, stdio: ['pipe', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => { output += chunk.toString() })
  child.stdin.end(commands.map((command) => `${command}\nprintf '%s' ${end}\n`).join(''))
  await once(child, 'close')
  return output.replaceAll('\r', '').split(end).map((text) => text.trim())
}

/** Starts a program and waits until it answers. */
async function start (t: Test, { args, cwd, env, port }: { args: string[], cwd: string, env: NodeJS.ProcessEnv, port: number }): Promise<void> {
  const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => { errors += chunk.toString() })
  t.teardown(async () => {
    if (child.exitCode === null && child.kill('SIGTERM')) await once(child, 'exit')
  })
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the program ended: ${errors}`)
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null)
    // the program of the README has no such route: that it answers is enough
    if (answer !== null && answer.status !== 503) return
    await new Promise((resolve) => { setImmediate(resolve) })
  }
}

async function follow (t: Test, marker: string, cwd: string, port: number): Promise<void> {
  const entries = transcript(marker)
  const printed = await run(entries.map(({ command }) => command.replaceAll('localhost:3000', `localhost:${port}`)), cwd)
  for (const [index, { command, output }] of entries.entries()) t.match(printed[index], pattern(output), command)
}

/** Node's own environment and nothing of the test's. */
const bareEnvironment = (): NodeJS.ProcessEnv => ({ PATH: process.env['PATH'], HOME: process.env['HOME'] })

t.test('the program of the README runs as its transcript says', async (t) => {
  const { connectionString } = await freshDatabase(t)
  const port = await freePort()
  const cwd = t.testdir({ node_modules: {} })
  symlinkSync(ROOT, join(cwd, 'node_modules', 'silverback'))
  symlinkSync(join(ROOT, 'node_modules', 'fastify'), join(cwd, 'node_modules', 'fastify'))
  writeFileSync(join(cwd, 'server.mjs'), block('program').replace('port: 3000', `port: ${port}`))
  const env = { ...bareEnvironment(), DATABASE_URL: connectionString, SESSION_AUTH_KEYS: randomBytes(32).toString('base64') }
  await start(t, { args: ['server.mjs'], cwd, env, port })
  await follow(t, 'transcript: program', cwd, port)
})

t.test('the service answers as the transcript of the README says', async (t) => {
  const { connectionString } = await freshDatabase(t, { prepare: async (connectionString) => await migrate({ connectionString }) })
  const port = await freePort()
  const cwd = t.testdir({ data: {} })
  mkdirSync(join(cwd, 'work'))
  const env = { ...bareEnvironment(), DATABASE_URL: connectionString, PORT: String(port), DATA_DIR: join(cwd, 'data') }
  await start(t, { args: [join(ROOT, 'dist/service/main.js')], cwd, env, port })
  await follow(t, 'transcript: service', join(cwd, 'work'), port)
})

t.test('tokens are refreshed, given again and refused as the transcript of the README says', async (t) => {
  const { connectionString } = await freshDatabase(t)
  const port = await freePort()
  const cwd = t.testdir({ data: {}, work: {} })
  const env = { ...bareEnvironment(), DATABASE_URL: connectionString, PORT: String(port), DATA_DIR: join(cwd, 'data'), REFRESH_MIN_AGE: '3', REFRESH_STRAGGLER_WINDOW: '1' }
  await start(t, { args: [join(ROOT, 'dist/service/main.js')], cwd, env, port })
  await follow(t, 'transcript: tokens', join(cwd, 'work'), port)
})

t.test('the table of the options of tokens names every option, with its default', async (t) => {
  const rows = [...README.slice(README.indexOf('| option of `tokens`'), README.indexOf('Verifying costs')).matchAll(/^\| (`[^|]+) \| ([^|]+) \|/gm)]
    .flatMap(([, names = '', defaults = '']) => names.split(', ').map((name, i): [string, string] => [name.replaceAll('`', ''), (names.includes(', ') ? defaults.split(', ')[i] ?? defaults : defaults).replaceAll('`', '')]))
  const source = readFileSync(join(ROOT, 'src/tokens/options.ts'), 'utf8')
  const declared = [.../interface TokensOptions[^{]*\{([\s\S]*?)\n\}/.exec(source)?.[1]?.matchAll(/^ {2}readonly (\w+)\??:/gm) ?? []].map((match) => match[1])
  t.strictSame(rows.map(([name]) => name).sort(), declared.sort())
  const resolved = resolveTokensOptions({ store: new MemoryTokenStore({ store: new MemoryStore() }), issuer: 'i', audience: 'a', signingKeys: randomBytes(32), refreshKey: randomBytes(32) })
  for (const [name, value] of rows) if (name in resolved && /^\d+$|^false$/.test(value)) t.equal(String(Reflect.get(resolved, name)), value, name)
})

t.test('the table of options names every option, with its default', async (t) => {
  const rows = new Map(README.slice(README.indexOf('## Options of `sessions`'), README.indexOf('## Names')).split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => {
      const [names = '', defaults = ''] = line.split('|').slice(1).map((cell) => cell.trim())
      const values = defaults.split(',').map((value) => value.trim())
      const list = names.split(',').map((name) => name.trim().replaceAll('`', ''))
      return list.map((name, i): [string, string] => [name, list.length > 1 ? values[i] ?? '' : defaults])
    }))
  const source = ['src/session/options.ts', 'src/plugins/sessions.ts'].map((file) => readFileSync(join(ROOT, file), 'utf8')).join('\n')
  const declared = [...source.matchAll(/interface (?:CookieAttributes|ManagerOptions|SessionsOptions)[^{]*\{([\s\S]*?)\n\}/g)]
    .flatMap(([, body = '']) => [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map((match) => match[1] ?? ''))
    .filter((name) => name !== 'sealer' && name !== 'log') // of createManager, not of the plugin
  t.strictSame([...rows.keys()].sort(), declared.sort())

  const { maxAge, absoluteMaxAge, cleanupInterval, recordDevice, onStoreError, cookie } = resolveManagerOptions({ authKey: randomBytes(32) })
  for (const [name, value] of Object.entries({ maxAge, absoluteMaxAge, cleanupInterval, recordDevice, onStoreError, secure: cookie.secure, sameSite: cookie.sameSite, path: cookie.path, httpOnly: cookie.httpOnly })) {
    t.equal(rows.get(name)?.replaceAll(/[`']/g, ''), String(value), name)
  }
})
