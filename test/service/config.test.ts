import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { readConfig, VARIABLES } from '../../src/service/config.js'
import type { Config } from '../../src/service/config.js'
import { ConfigError } from '../../src/service/config/error.js'
import { readThreads } from '../../src/service/config/threads.js'

const key = (): string => randomBytes(32).toString('base64url')
const pem = (): string => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const TOKENS = { TOKEN_ISSUER: 'https://id.example.com', TOKEN_AUDIENCE: 'api', TOKEN_SIGNING_KEYS: pem(), TOKEN_REFRESH_KEYS: key() }
const production = (): NodeJS.ProcessEnv => ({ NODE_ENV: 'production', DATABASE_URL: 'postgres://app:hunter2@localhost/app', SESSION_AUTH_KEYS: key(), ...TOKENS })

function faultsOf (env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readConfig(env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}

void t.test('an empty environment is development on loopback, without Secure', async (t) => {
  const config = readConfig({})
  t.match(config, { isProduction: false, host: '127.0.0.1', port: 3000, dataDir: '.data', trustProxy: false, logLevel: 'info', warnings: [] })
  t.match(config, { database: { url: undefined, migrateOnStart: true, pooler: undefined }, sessions: { options: { secure: false } } })
  t.match(config, { tokens: { signingKeys: undefined, refreshKeys: undefined, options: { issuer: 'http://localhost:3000', audience: 'http://localhost:3000' } } })
  t.match(config.users, { rateLimit: true, adminEmails: new Set() })
})

void t.test('Secure is on for a host that is not loopback, and in production', async (t) => {
  t.equal(readConfig({ HOST: '0.0.0.0' }).sessions.options.secure, true)
  t.equal(readConfig({ HOST: '0.0.0.0', SESSION_SECURE: 'off' }).sessions.options.secure, false)
  t.equal(readConfig(production()).sessions.options.secure, true)
})

void t.test('every variable arrives where it belongs', async (t) => {
  const config = readConfig({
    HOST: '::1',
    PORT: '8080',
    DATA_DIR: '/var/lib/x',
    LOG_LEVEL: 'debug',
    TRUST_PROXY: '10.0.0.0/8, loopback',
    TRUSTED_ORIGINS: 'https://a.example, https://b.example',
    MIGRATE_ON_START: 'off',
    DATABASE_POOLER: 'transaction',
    DATABASE_URL: 'postgres://a/b',
    DATABASE_DIRECT_URL: 'postgres://c/d',
    TOKEN_ISSUER: 'https://id.example.com',
    TOKEN_AUDIENCE: 'api',
    ACCESS_TOKEN_TTL: '60.5',
    REFRESH_TOKEN_TTL: '600',
    REFRESH_ABSOLUTE_TTL: '1200',
    REFRESH_MIN_AGE: '3',
    REFRESH_STRAGGLER_WINDOW: '1',
    MAX_SESSIONS_PER_USER: '3',
    RATE_LIMIT: 'off',
    ADMIN_EMAILS: 'Ann@Example.com, bob@example.com',
    METRICS: 'off',
    CLEAR_SITE_DATA: 'cache, storage',
    EVENT_RETENTION: '86400',
    SESSION_COOKIE_NAME: '__Secure-s',
    SESSION_SECURE: 'true',
    SESSION_SAME_SITE: 'none',
    SESSION_DOMAIN: 'example.com',
    SESSION_MAX_AGE: '60',
    SESSION_ABSOLUTE_MAX_AGE: '120.5',
    SESSION_REFRESH_INTERVAL: '0',
    SESSION_CLEANUP_INTERVAL: '0'
  })
  t.match(config, { host: '::1', port: 8080, dataDir: '/var/lib/x', logLevel: 'debug', trustProxy: ['10.0.0.0/8', 'loopback'] })
  t.match(config.database, { migrateOnStart: false, pooler: 'transaction' })
  t.strictSame(config.operation, { metrics: false, eventRetention: 86_400 })
  t.strictSame(config.sessions.options, {
    secure: true,
    domain: 'example.com',
    csrf: { trustedOrigins: ['https://a.example', 'https://b.example'] },
    sameSite: 'none',
    sessionName: '__Secure-s',
    maxAge: 60,
    absoluteMaxAge: 120.5,
    refreshInterval: 0,
    cleanupInterval: 0,
    maxSessionsPerUser: 3
  })
  t.strictSame(config.tokens.options, {
    issuer: 'https://id.example.com', audience: 'api', accessTokenTtl: 60.5, refreshTtl: 600, refreshAbsoluteTtl: 1200, minGenerationAge: 3, stragglerWindow: 1
  })
  t.strictSame(config.users, { rateLimit: false, adminEmails: new Set(['ann@example.com', 'bob@example.com']), clearSiteData: ['cache', 'storage'] })
  t.equal(config.database.directUrl?.reveal(), 'postgres://c/d')
})

const SECRET = 'postgres://app:hunter2@db.example.com/app'
const KEY = key()
/** What is set on top of a sound environment, the variable that must be named, and what must not be shown. */
const REFUSED: readonly (readonly [title: string, env: NodeJS.ProcessEnv, names: string, hidden?: string])[] = [
  ['B01 a short key', { SESSION_AUTH_KEYS: 'c2hvcnRrZXk' }, 'SESSION_AUTH_KEYS', 'c2hvcnRrZXk'],
  ['B01 a short second key', { SESSION_AUTH_KEYS: `${KEY},c2hvcnRrZXk` }, 'SESSION_AUTH_KEYS', KEY],
  ['B01 an empty second key', { SESSION_AUTH_KEYS: `${KEY},` }, 'SESSION_AUTH_KEYS', KEY],
  ['B02 a key of words', { SESSION_AUTH_KEYS: 'correct-horse-battery-staple-and-then-some-more' }, 'SESSION_AUTH_KEYS', 'horse'],
  ['B02 a repeated key block', { SESSION_AUTH_KEYS: Buffer.from('AbCdEfGhIjKlMnOp'.repeat(2)).toString('base64url') }, 'SESSION_AUTH_KEYS'],
  ['B03 a placeholder', { SESSION_AUTH_KEYS: 'changeme-changeme-changeme-changeme-Changeme' }, 'SESSION_AUTH_KEYS', 'changeme'],
  ['B03 zeros', { SESSION_AUTH_KEYS: Buffer.alloc(32).toString('base64url') }, 'SESSION_AUTH_KEYS'],
  ['B04 a key twice', { SESSION_AUTH_KEYS: `${KEY},${KEY}` }, 'SESSION_AUTH_KEYS', KEY],
  ['B04 a key for two purposes', { SESSION_AUTH_KEYS: KEY, SESSION_ENCRYPTION_KEYS: KEY }, 'SESSION_ENCRYPTION_KEYS', KEY],
  ['B05 an encryption key of 33 bytes', { SESSION_ENCRYPTION_KEYS: randomBytes(33).toString('base64url') }, 'SESSION_ENCRYPTION_KEYS'],
  ['B06 Secure off in production', { ...production(), SESSION_SECURE: 'false' }, 'SESSION_SECURE'],
  ['B07 SameSite=None without Secure', { SESSION_SAME_SITE: 'none', TRUSTED_ORIGINS: 'https://a.example' }, 'SESSION_SAME_SITE'],
  ['B07 SameSite=None without origins', { SESSION_SECURE: 'on', SESSION_SAME_SITE: 'none' }, 'SESSION_SAME_SITE'],
  ['B07 an unknown SameSite', { SESSION_SAME_SITE: 'Laxx' }, 'SESSION_SAME_SITE', 'Laxx'],
  ['B08 __Host- with a domain', { SESSION_SECURE: 'on', SESSION_COOKIE_NAME: '__Host-x', SESSION_DOMAIN: 'example.com' }, 'SESSION_COOKIE_NAME'],
  ['B08 __Host- without Secure', { SESSION_COOKIE_NAME: '__Host-x' }, 'SESSION_COOKIE_NAME'],
  ['B08 a prefix in other capitals', { SESSION_SECURE: 'on', SESSION_COOKIE_NAME: '__host-x' }, 'SESSION_COOKIE_NAME', '__host-x'],
  ['B09 a domain that is an address', { SESSION_DOMAIN: '10.0.0.1' }, 'SESSION_DOMAIN', '10.0.0.1'],
  ['B09 a domain of one label', { SESSION_DOMAIN: 'intranet' }, 'SESSION_DOMAIN', 'intranet'],
  ['B10 a cookie name with a blank', { SESSION_COOKIE_NAME: 'a b' }, 'SESSION_COOKIE_NAME'],
  ['B12 no life at all', { SESSION_MAX_AGE: '0' }, 'SESSION_MAX_AGE'],
  ['B12 a life over 400 days', { SESSION_MAX_AGE: '34560001' }, 'SESSION_MAX_AGE', '34560001'],
  ['B12 an idle life over the absolute one', { SESSION_MAX_AGE: '61', SESSION_ABSOLUTE_MAX_AGE: '60' }, 'SESSION_ABSOLUTE_MAX_AGE'],
  ['B12 a number that is none', { SESSION_MAX_AGE: '1 day' }, 'SESSION_MAX_AGE', '1 day'],
  ['B12 slides rarer than the life', { SESSION_MAX_AGE: '60', SESSION_REFRESH_INTERVAL: '61' }, 'SESSION_REFRESH_INTERVAL'],
  ['B12 cleanups twice a second', { SESSION_CLEANUP_INTERVAL: '0.5' }, 'SESSION_CLEANUP_INTERVAL'],
  ['B15 another host without TLS in production', { ...production(), DATABASE_URL: SECRET }, 'DATABASE_URL', 'hunter2'],
  ['B15 TLS off in production', { ...production(), DATABASE_URL: `${SECRET}?sslmode=disable` }, 'DATABASE_URL', 'hunter2'],
  ['B15 TLS unverified in production', { ...production(), DATABASE_URL: `${SECRET}?sslmode=no-verify` }, 'DATABASE_URL', 'hunter2'],
  ['B15 TLS as libpq requires it in production', { ...production(), DATABASE_URL: `${SECRET}?uselibpqcompat=true&sslmode=require` }, 'DATABASE_URL', 'hunter2'],
  ['B15 migrations without TLS in production', { ...production(), DATABASE_MIGRATION_URL: SECRET }, 'DATABASE_MIGRATION_URL', 'hunter2'],
  ['B17 everybody trusted in production', { ...production(), TRUST_PROXY: 'true' }, 'TRUST_PROXY'],
  ['B17 the whole internet trusted in production', { ...production(), TRUST_PROXY: '0.0.0.0/0' }, 'TRUST_PROXY'],
  ['B20 a misspelt variable', { SESSION_MAXAGE: '60' }, 'SESSION_MAX_AGE'],
  ['B20 a misspelt secret', { DATABASE_ULR: SECRET }, 'DATABASE_URL', 'hunter2'],
  ['B20 a prefix that is misspelt', { SESION_AUTH_KEYS: KEY }, 'SESSION_AUTH_KEYS', KEY],
  ['B20 a misspelt secret without our prefix', { DATABSE_URL: SECRET }, 'DATABASE_URL', 'hunter2'],
  ['B20 a variable in small letters', { session_max_age: '60' }, 'SESSION_MAX_AGE'],
  ['a misspelt production', { NODE_ENV: 'prod' }, 'NODE_ENV'],
  ['no database in production', { ...production(), DATABASE_URL: undefined }, 'DATABASE_URL'],
  ['no keys in production', { ...production(), SESSION_AUTH_KEYS: undefined }, 'SESSION_AUTH_KEYS'],
  ['another database', { DATABASE_URL: 'mysql://app:hunter2@db/app' }, 'DATABASE_URL', 'hunter2'],
  ['a database URL that is none', { DATABASE_URL: 'postgres://app:hunter2@db:port/app' }, 'DATABASE_URL', 'hunter2'],
  ['a certificate that is not there', { DATABASE_URL: `${SECRET}?sslrootcert=/nowhere.pem` }, 'DATABASE_URL', 'hunter2'],
  ['migrations elsewhere, sessions nowhere', { DATABASE_MIGRATION_URL: SECRET }, 'DATABASE_MIGRATION_URL', 'hunter2'],
  ['listening elsewhere, sessions nowhere', { DATABASE_DIRECT_URL: SECRET }, 'DATABASE_DIRECT_URL', 'hunter2'],
  ['B15 listening without TLS in production', { ...production(), DATABASE_DIRECT_URL: SECRET }, 'DATABASE_DIRECT_URL', 'hunter2'],
  ['no issuer in production', { ...production(), TOKEN_ISSUER: undefined }, 'TOKEN_ISSUER'],
  ['no audience in production', { ...production(), TOKEN_AUDIENCE: undefined }, 'TOKEN_AUDIENCE'],
  ['no signing keys in production', { ...production(), TOKEN_SIGNING_KEYS: undefined }, 'TOKEN_SIGNING_KEYS'],
  ['no refresh keys in production', { ...production(), TOKEN_REFRESH_KEYS: undefined }, 'TOKEN_REFRESH_KEYS'],
  ['B01 a short refresh key', { TOKEN_REFRESH_KEYS: 'c2hvcnRrZXk' }, 'TOKEN_REFRESH_KEYS', 'c2hvcnRrZXk'],
  ['B04 a key for sessions and for refresh tokens', { SESSION_AUTH_KEYS: KEY, TOKEN_REFRESH_KEYS: KEY }, 'TOKEN_REFRESH_KEYS', KEY],
  ['B04 a key for refresh tokens and for signatures', { TOKEN_SIGNING_KEYS: KEY, TOKEN_REFRESH_KEYS: KEY }, 'TOKEN_REFRESH_KEYS', KEY],
  ['B13 an RSA key', { TOKEN_SIGNING_KEYS: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }, 'TOKEN_SIGNING_KEYS', 'BEGIN'],
  ['B13 a symmetric key beside a PEM', { TOKEN_SIGNING_KEYS: `${KEY}\n${pem()}` }, 'TOKEN_SIGNING_KEYS', KEY],
  ['B13 an empty audience', { TOKEN_AUDIENCE: ' ' }, 'TOKEN_AUDIENCE'],
  ['B12 access tokens that live over an hour', { ACCESS_TOKEN_TTL: '3601' }, 'ACCESS_TOKEN_TTL', '3601'],
  ['B12 access tokens that outlive refresh tokens', { ACCESS_TOKEN_TTL: '900', REFRESH_TOKEN_TTL: '900' }, 'ACCESS_TOKEN_TTL'],
  ['B12 refresh tokens that outlive their session', { REFRESH_TOKEN_TTL: '1000', REFRESH_ABSOLUTE_TTL: '999' }, 'REFRESH_ABSOLUTE_TTL'],
  ['B12 a generation younger than two windows', { REFRESH_MIN_AGE: '2', REFRESH_STRAGGLER_WINDOW: '1' }, 'REFRESH_MIN_AGE'],
  ['B12 no window', { REFRESH_STRAGGLER_WINDOW: '0' }, 'REFRESH_STRAGGLER_WINDOW'],
  ['C14 something that no browser drops', { CLEAR_SITE_DATA: 'cache,everything' }, 'CLEAR_SITE_DATA', 'everything'],
  ['C14 all of it, in one star', { CLEAR_SITE_DATA: '*' }, 'CLEAR_SITE_DATA'],
  ['a number of sessions that is none', { MAX_SESSIONS_PER_USER: '1.5' }, 'MAX_SESSIONS_PER_USER', '1.5'],
  ['B10 the name of another cookie', { SESSION_COOKIE_NAME: 'kd' }, 'SESSION_COOKIE_NAME'],
  ['administrators by address in production', { ...production(), ADMIN_EMAILS: 'ann@example.com' }, 'ADMIN_EMAILS', 'ann@'],
  ['an administrator without an address', { ADMIN_EMAILS: 'ann@example.com,hunter2' }, 'ADMIN_EMAILS', 'hunter2'],
  ['a misspelt limit', { RATE_LIMITS: 'off' }, 'RATE_LIMIT'],
  ['an unknown pooler', { DATABASE_POOLER: 'session' }, 'DATABASE_POOLER'],
  ['3B-20 listening and migrations through a pooler', { DATABASE_URL: 'postgres://localhost/app', DATABASE_POOLER: 'transaction' }, 'DATABASE_POOLER'],
  ['an origin with a path', { TRUSTED_ORIGINS: 'https://a.example/x' }, 'TRUSTED_ORIGINS', 'a.example'],
  ['a proxy that is no address', { TRUST_PROXY: 'proxy.example.com' }, 'TRUST_PROXY', 'proxy.example.com'],
  ['a network that is none', { TRUST_PROXY: '10.0.0.0/33' }, 'TRUST_PROXY'],
  ['too many hops', { TRUST_PROXY: '33' }, 'TRUST_PROXY'],
  ['a port out of range', { PORT: '65536' }, 'PORT', '65536'],
  ['a port that is none', { PORT: 'http' }, 'PORT'],
  ['a flag that is none', { MIGRATE_ON_START: 'maybe' }, 'MIGRATE_ON_START', 'maybe'],
  ['a log level that is none', { LOG_LEVEL: 'loud' }, 'LOG_LEVEL', 'loud'],
  ['a variable that is empty', { SESSION_DOMAIN: '' }, 'SESSION_DOMAIN'],
  ['a secret that is empty', { SESSION_ENCRYPTION_KEYS: ' ' }, 'SESSION_ENCRYPTION_KEYS']
]

for (const [title, env, name, hidden] of REFUSED) {
  void t.test(`refused: ${title}`, async (t) => {
    const faults = faultsOf(env)
    t.equal(faults.length, 1, faults.join('; '))
    t.match(faults[0], new RegExp(`\\b${name}\\b`), 'names the variable')
    if (hidden !== undefined) t.notOk(faults.join().includes(hidden), 'and not the value')
  })
}

void t.test('all faults are told at once', async (t) => {
  const faults = faultsOf({
    NODE_ENV: 'production',
    PORT: 'x',
    SESSION_SECURE: 'off',
    SESSION_MAX_AGE: '0',
    SESSION_DOMAIN: 'x',
    SESSION_SAME_SITE: 'x',
    TRUST_PROXY: 'true',
    TRUSTED_ORIGINS: 'x',
    LOG_LEVEL: 'x',
    SESSION_COKIE_NAME: 'x',
    SESSION_ENCRYPTION_KEYS: 'x',
    DATABASE_POOLER: 'x'
  })
  for (const name of ['TOKEN_ISSUER', 'TOKEN_AUDIENCE', 'TOKEN_SIGNING_KEYS', 'TOKEN_REFRESH_KEYS', 'PORT', 'SESSION_SECURE', 'SESSION_MAX_AGE', 'SESSION_DOMAIN', 'SESSION_SAME_SITE', 'TRUST_PROXY', 'TRUSTED_ORIGINS', 'LOG_LEVEL',
    'SESSION_COKIE_NAME', 'SESSION_ENCRYPTION_KEYS', 'DATABASE_POOLER', 'DATABASE_URL', 'SESSION_AUTH_KEYS']) {
    t.equal(faults.filter((fault) => fault.startsWith(name)).length, 1, name)
  }
  t.equal(faults.length, 17)
})

void t.test('accepted: what production takes, and what only looks like ours', async (t) => {
  const verified = 'postgres://app:x@db.example.com/app?sslmode=verify-full'
  for (const env of [{}, { DATABASE_URL: verified }, { DATABASE_URL: 'postgres://app@%2Frun%2Fpostgresql/app' }, { DATABASE_URL: 'postgres:///app?host=/run/postgresql' },
    { TRUST_PROXY: '1' }, { TRUST_PROXY: '10.0.0.0/8' }, { TRUST_PROXY: '::1' }, { TRUST_PROXY: 'uniquelocal' }, { SESSION_MANAGER: 'local/desk:@/tmp/.ICE-unix/1' }]) {
    t.strictSame(faultsOf({ ...production(), ...env }), [], Object.keys(env).join())
  }
  t.strictSame(faultsOf({ TRUST_PROXY: 'true' }), [], 'everybody, outside production')
  t.match(readConfig(production()).warnings.join(), /TRUST_PROXY/, 'production without a proxy is worth a word')
})

void t.test('variables that Kubernetes and others set are no slips; unknown ones with our prefix are told', async (t) => {
  const kubernetes = {
    DATABASE_SERVICE_HOST: '10.0.0.1',
    DATABASE_SERVICE_PORT: '5432',
    DATABASE_SERVICE_PORT_POSTGRES: '5432',
    DATABASE_PORT: 'tcp://10.0.0.1:5432',
    DATABASE_PORT_5432_TCP_ADDR: '10.0.0.1',
    SESSION_SERVICE_HOST: '10.0.0.2',
    ACCESS_TOKEN: 'x',
    TOKEN: 'x',
    HOME: '/root',
    SORT: 'x',
    SHELL: '/bin/sh'
  }
  t.strictSame(readConfig(kubernetes).warnings, [])
  t.strictSame(readConfig({ DATABASE_NAME: 'hunter2', SESSION_STORE: 'hunter2' }).warnings, ['DATABASE_NAME is no variable of this service: it is not read', 'SESSION_STORE is no variable of this service: it is not read'])
})

void t.test('faults say what to write', async (t) => {
  for (const [env, fault] of [
    [{ PORT: '-1' }, 'PORT must be a whole number from 0 to 65535'],
    [{ PORT: 'http' }, 'PORT must be a whole number from 0 to 65535'],
    [{ SESSION_CLEANUP_INTERVAL: '0.5' }, 'SESSION_CLEANUP_INTERVAL must be a number of seconds from 1 to 86400, or 0 for none'],
    [{ SESSION_AUTH_KEYS: Buffer.alloc(32).toString('base64url') }, /openssl rand -base64 32/],
    [{ SESSION_AUTH_KEYS: Buffer.alloc(32).toString('hex') }, /openssl rand -base64 32/],
    [{ SESSION_COOKIE_NAME: '__Host-x' }, /SESSION_SECURE=on/],
    [{ SESSION_SAME_SITE: 'none', TRUSTED_ORIGINS: 'https://a.example' }, /SESSION_SECURE=on/],
    [{ SESSION_COOKIE_NAME: '__host-x', SESSION_SECURE: 'on' }, /^SESSION_COOKIE_NAME /]
  ] as const) {
    const said = faultsOf(env).join()
    t.match(said, fault)
    t.notMatch(said, /"path"|\btrue\b/, 'in the words of variables')
  }
})

void t.test('secrets show in no print of the configuration', async (t) => {
  const env: NodeJS.ProcessEnv = { ...production(), SESSION_ENCRYPTION_KEYS: key(), DATABASE_MIGRATION_URL: 'postgres://owner:hunter3@localhost/app' }
  const config = readConfig(env)
  t.equal(config.sessions.authKeys?.reveal(), env['SESSION_AUTH_KEYS'])
  for (const print of [JSON.stringify(config), inspect(config, { depth: 9, showHidden: true }), `${config.database.url}`, inspect(config.database.url)]) {
    t.match(print, '[redacted]')
    for (const secret of [TOKENS.TOKEN_REFRESH_KEYS, TOKENS.TOKEN_SIGNING_KEYS.split('\n')[1], env['SESSION_AUTH_KEYS'], env['SESSION_ENCRYPTION_KEYS'], 'hunter2', 'hunter3']) t.notOk(print.includes(String(secret)))
  }
})

void t.test('secrets leave the environment of the process, and no other one', async (t) => {
  t.teardown(() => { delete process.env['SESSION_AUTH_KEYS'] })
  process.env['SESSION_AUTH_KEYS'] = key()
  readConfig(process.env)
  t.notOk('SESSION_AUTH_KEYS' in process.env)
  const own = { SESSION_AUTH_KEYS: key() }
  readConfig(own)
  t.ok(own.SESSION_AUTH_KEYS)
})

void t.test('a secret is read from a file', async (t) => {
  const file = secretFile(t)
  const secret = key()
  const read = (env: NodeJS.ProcessEnv = {}): Config => readConfig({ ...production(), SESSION_AUTH_KEYS: undefined, SESSION_AUTH_KEYS_FILE: file.path, ...env })
  for (const end of ['', '\n', '\r\n']) {
    file.write(secret + end)
    t.equal(read().sessions.authKeys?.reveal(), secret, JSON.stringify(end))
  }
  t.notMatch(read().warnings.join(), /SESSION_AUTH_KEYS_FILE/)
  file.write(secret, 0o644)
  t.match(read().warnings.join(), /SESSION_AUTH_KEYS_FILE/, 'one that others can read is worth a word in production')
  t.notMatch(read({ NODE_ENV: 'development' }).warnings.join(), /SESSION_AUTH_KEYS_FILE/, 'and not outside')
  t.match(faultsOf({ SESSION_AUTH_KEYS: key(), SESSION_AUTH_KEYS_FILE: file.path }), [/SESSION_AUTH_KEYS_FILE/], 'both are one too many')
})

void t.test('refused: a secret in a file that is none, missing or empty', async (t) => {
  const file = secretFile(t)
  file.write('\n')
  for (const path of [file.path, `${file.path}-missing`, file.folder, '/dev/null', '']) {
    const faults = faultsOf({ ...production(), SESSION_AUTH_KEYS: undefined, SESSION_AUTH_KEYS_FILE: path })
    t.match(faults, [/^SESSION_AUTH_KEYS_FILE/], path)
    t.equal(faults.length, 1)
  }
})

void t.test('events are kept for an hour at least and ten years at most, by default for 90 days', async (t) => {
  t.strictSame(readConfig({}).operation, { metrics: true, eventRetention: 7_776_000 })
  for (const EVENT_RETENTION of ['0', '3599', '3600.5', '315360001', '90d', '-1']) t.match(faultsOf({ EVENT_RETENTION }), [/^EVENT_RETENTION must be a whole number of seconds, from 3600/], EVENT_RETENTION)
  t.match(faultsOf({ METRICS: 'maybe' }), [/^METRICS must be on, off/])
})

void t.test('.env.example lists exactly what is read, and states the defaults', async (t) => {
  const text = readFileSync(join(import.meta.dirname, '../../.env.example'), 'utf8')
  const listed = [...text.matchAll(/^#?([A-Z_]+)=/gm)].map(([, name]) => name)
  t.strictSame([...listed].sort(), [...VARIABLES].sort())
  const seen = new Set<string | symbol>()
  readConfig(new Proxy<NodeJS.ProcessEnv>({}, { get: (target, name) => { seen.add(name); return Reflect.get(target, name) } }))
  t.strictSame([...seen].sort(), [...VARIABLES].sort(), 'and config.ts asks for no other')
})

function secretFile (t: Test) {
  const folder = t.testdir()
  const path = join(folder, 'secret')
  return {
    folder: (mkdirSync(join(folder, 'folder')), join(folder, 'folder')),
    path,
    write (text: string, mode = 0o600): void {
      writeFileSync(path, text)
      chmodSync(path, mode)
    }
  }
}

t.test('UV_THREADPOOL_SIZE is read as libuv reads it', async (t) => {
  for (const [given, threads] of [[undefined, 4], ['8', 8], [' 8 threads', 8], ['0', 1], ['', 1], ['many', 1], ['-1', 1_024], ['5000', 1_024]] as const) {
    t.equal(readThreads({ ...(given !== undefined && { UV_THREADPOOL_SIZE: given }) }), threads, given ?? 'absent')
  }
})
