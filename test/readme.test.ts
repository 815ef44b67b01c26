import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { resolveManagerOptions } from '../src/session/options.js'
import { MemoryStore } from '../src/stores/memory/store.js'
import { MemoryTokenStore } from '../src/stores/memory/token-store.js'
import { migrate } from '../src/stores/postgres/migrate.js'
import { resolveTokensOptions } from '../src/tokens/options.js'
import { freshDatabase } from './helpers/database.js'
import { bareEnvironment, followTranscript, readDocument, ROOT, startProgram } from './helpers/document.js'
import { freePort } from './helpers/free-port.js'

const document = readDocument('README.md')
const README = document.text

t.test('the program of the README runs as its transcript says', async (t) => {
  const { connectionString } = await freshDatabase(t)
  const port = await freePort()
  const cwd = t.testdir({ node_modules: {} })
  symlinkSync(ROOT, join(cwd, 'node_modules', 'silverback'))
  symlinkSync(join(ROOT, 'node_modules', 'fastify'), join(cwd, 'node_modules', 'fastify'))
  writeFileSync(join(cwd, 'server.mjs'), document.block('program').replace('port: 3000', `port: ${port}`))
  const env = { ...bareEnvironment(), DATABASE_URL: connectionString, SESSION_AUTH_KEYS: randomBytes(32).toString('base64') }
  await startProgram(t, { args: ['server.mjs'], cwd, env, port })
  await followTranscript(t, document.transcript('transcript: program'), { cwd, port })
})

t.test('the service answers as the transcript of the README says', async (t) => {
  const { connectionString } = await freshDatabase(t, { prepare: async (connectionString) => await migrate({ connectionString }) })
  const port = await freePort()
  const cwd = t.testdir({ data: {} })
  mkdirSync(join(cwd, 'work'))
  const env = { ...bareEnvironment(), DATABASE_URL: connectionString, PORT: String(port), DATA_DIR: join(cwd, 'data') }
  await startProgram(t, { args: [join(ROOT, 'dist/service/main.js')], cwd, env, port })
  await followTranscript(t, document.transcript('transcript: service'), { cwd: join(cwd, 'work'), port })
})

t.test('tokens are refreshed, given again and refused as the transcript of the README says', async (t) => {
  const { connectionString } = await freshDatabase(t)
  const port = await freePort()
  const cwd = t.testdir({ data: {}, work: {} })
  const env = { ...bareEnvironment(), DATABASE_URL: connectionString, PORT: String(port), DATA_DIR: join(cwd, 'data'), REFRESH_MIN_AGE: '3', REFRESH_STRAGGLER_WINDOW: '1' }
  await startProgram(t, { args: [join(ROOT, 'dist/service/main.js')], cwd, env, port })
  await followTranscript(t, document.transcript('transcript: tokens'), { cwd: join(cwd, 'work'), port })
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
