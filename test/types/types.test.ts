import { join } from 'node:path'
import t, { type Test } from 'tap'
import ts from 'typescript'

const root = join(import.meta.dirname, '../..')
/** Where the programs stand that are checked: nowhere on disk, beside this file. */
const at = (name: string): string => join(import.meta.dirname, `${name}.fixture.ts`)

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts', 'lib.es2024.string.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: ['node'],
  typeRoots: [join(root, 'node_modules/@types')],
  strict: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  noEmit: true,
  paths: { silverback: [join(root, 'src/index.ts')] }
}
const disk = ts.createCompilerHost(options)
const parsed = new Map<string, ts.SourceFile | undefined>()

/** What the compiler says of a program, by line; programs of several tests share the files that they import. */
function check (source: string): { line: number, code: number, message: string }[] {
  const path = at('program')
  const program = ts.createProgram([path], options, {
    ...disk,
    fileExists: (name) => name === path || disk.fileExists(name),
    readFile: (name) => name === path ? source : disk.readFile(name),
    getSourceFile (name, language) {
      if (name === path) return ts.createSourceFile(name, source, language, true)
      if (!parsed.has(name)) parsed.set(name, disk.getSourceFile(name, language))
      return parsed.get(name)
    }
  })
  const file = program.getSourceFile(path)
  return [...program.getGlobalDiagnostics(), ...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(({ start, code, messageText }) => ({
    line: start === undefined || file === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1,
    code,
    message: ts.flattenDiagnosticMessageText(messageText, '\n')
  }))
}

/** The lines of a program that end with a comment that says they are wrong. */
const wrongLines = (source: string): number[] => source.split('\n').flatMap((line, index) => line.includes('// wrong') ? [index + 1] : [])

/** Asserts that exactly the lines marked "// wrong" are refused. */
const refusesMarked = (t: Test, source: string): void => {
  const found = check(source)
  t.strictSame([...new Set(found.map(({ line }) => line))], wrongLines(source), JSON.stringify(found))
}

t.test('the five lines of the contract compile as they stand', async (t) => {
  refusesMarked(t, `
import Fastify from 'fastify'
import { sessions, PostgresStore } from 'silverback'

const app = Fastify()
await app.register(sessions, { store: new PostgresStore({ connectionString: process.env.DATABASE_URL }), authKey: process.env.SESSION_AUTH_KEYS })
app.get('/', async (request) => {
  const visits = await request.session.update('visits', (n = 0) => n + 1)
  return { visits }
})
`)
})

t.test('untyped values: get gives unknown, no any leaks', async (t) => {
  refusesMarked(t, `
import type { FastifyRequest } from 'fastify'
import type {} from 'silverback'
export async function handler (request: FastifyRequest): Promise<void> {
  const { session } = request
  const value = session.get('anything')
  const known: unknown = value
  value.toFixed() // wrong
  const text: string = value // wrong
  session.values['anything'].x // wrong
  session.data()['anything'].x // wrong
  session.set('anything', { free: [1, 'two', null] })
  session.set(5, 1) // wrong
  const count = await session.update('count', (n = 0) => n + 1)
  session.claims.isAdmin satisfies boolean | undefined
  session.claims.custom.x // wrong
  session.id = 'x' // wrong
  session.userId = 'x' // wrong
  session.setUserId(5) // wrong
  session.setUserId(undefined) // wrong
  session.setUserId('ada', { isAdmin: 'yes' }) // wrong
  session.nonsense() // wrong
  session.options({ maxAge: '1d' }) // wrong
  session.options({ maxAge: null, sameSite: 'strict' })
  void [known, text, count]
}
`)
})

t.test('augmented SessionData types get, set, has, delete, update, values and data, and refuses the rest', async (t) => {
  refusesMarked(t, `
import type { FastifyRequest } from 'fastify'
import { getSession } from 'silverback'
declare module 'silverback' {
  interface SessionData { cart: { sku: string, count: number }[], visits: number }
}
export async function handler (request: FastifyRequest): Promise<void> {
  const { session } = request
  session.get('cart')?.[0]?.sku satisfies string | undefined
  session.get('cart').length // wrong
  session.get('cart')?.[0]?.price // wrong
  session.get('nothing') // wrong
  session.set('visits', 1)
  session.set('visits', undefined)
  session.set('visits', 'one') // wrong
  session.set('cart', [{ sku: 'a', count: 1 }])
  session.set('cart', [{ sku: 'a' }]) // wrong
  session.set('nothing', 1) // wrong
  session.has('cart') satisfies boolean
  session.has('nothing') // wrong
  session.delete('cart')
  session.delete()
  session.delete('nothing') // wrong
  session.values.visits satisfies number | undefined
  session.values.visits = 1 // wrong
  session.values.nothing // wrong
  session.data().visits satisfies number | undefined
  const visits = await session.update('visits', (n = 0) => n + 1)
  visits satisfies number
  const text: string = visits // wrong
  await session.update('visits', () => 'one') // wrong
  await session.update('visits', () => undefined) satisfies undefined
  await session.update('nothing', () => 1) // wrong
  getSession(request).get('visits') satisfies number | undefined
  getSession<{ theme: 'dark' | 'light' }>(request).set('theme', 'dark')
  getSession<{ theme: 'dark' | 'light' }>(request).set('theme', 'blue') // wrong
  getSession<{ theme: 'dark' | 'light' }>(request).get('visits') // wrong
  void text
}
`)
})

for (const [name, other] of Object.entries({
  '@fastify/flash': "import flash from '@fastify/flash'",
  '@fastify/csrf-protection': "import csrf from '@fastify/csrf-protection'",
  '@fastify/passport': "import passport from '@fastify/passport'",
  '@fastify/secure-session': "import secure from '@fastify/secure-session'"
})) {
  for (const [order, imports] of Object.entries({
    first: ["import { getSession, sessions } from 'silverback'", other],
    second: [other, "import { getSession, sessions } from 'silverback'"]
  })) {
    t.test(`getSession is ours though ${name} is imported as well, ours ${order}`, async (t) => {
      refusesMarked(t, `
import Fastify from 'fastify'
${imports.join('\n')}
const app = Fastify()
app.get('/', async (request) => {
  const session = getSession<{ visits: number }>(request)
  session.get('visits') satisfies number | undefined
  session.set('visits', 'one') // wrong
  session.get('nothing') // wrong
  await session.destroy()
  return await session.update('visits', (n = 0) => n + 1)
})
void [sessions, ${other.split(' ')[1]}]
`)
    })
  }
}

t.test('options are typed: the store and the key are required, unknown options are refused', async (t) => {
  refusesMarked(t, `
import Fastify from 'fastify'
import { sessions, MemoryStore, createManager } from 'silverback'
const app = Fastify()
const store = new MemoryStore()
const authKey = Buffer.alloc(32)
await app.register(sessions, { store, authKey })
await app.register(sessions, { store, authKey, sameSite: 'none', csrf: { trustedOrigins: ['https://a.example'] }, encryptionKey: [authKey], decorator: 'mine' })
await app.register(sessions, { store, authKey: [authKey, 'text'], csrf: 'dangerouslyOff' })
await app.register(sessions, { store, authKey, sameSite: 'Lax' }) // wrong
await app.register(sessions, { store, authKey, maxage: 5 }) // wrong
await app.register(sessions, { store: {}, authKey }) // wrong
app.sessions.list('ada') satisfies Promise<{ id: string }[]>
app.sessions.on('signedIn', ({ userId, sessionId }) => { userId satisfies string; sessionId satisfies string })
app.sessions.on('signedIn', ({ reason }) => reason) // wrong
app.sessions.on('nonsense', () => {}) // wrong
createManager(store, { authKey }).close() satisfies Promise<void>
createManager(store, {}) // wrong
app.get('/', { config: { session: false, onStoreError: 'anonymous' } }, async () => 'ok')
app.get('/2', { config: { session: 'no' } }, async () => 'ok') // wrong
`)
})

t.test('a store of one\'s own is checked against the interface', async (t) => {
  refusesMarked(t, `
import type { Store } from 'silverback'
export const broken: Store = { // wrong
  async get () { return null }
}
`)
})

t.test('tokens, guards and auth routes are typed as the contract uses them', async (t) => {
  refusesMarked(t, `
import Fastify from 'fastify'
import { authRoutes, PostgresStore, PostgresTokenStore, RequestError, sessions, tokens } from 'silverback'
import type { AuthUser, Guard, Identity, TokenPair } from 'silverback'

const app = Fastify()
const connectionString = process.env.DATABASE_URL
await app.register(sessions, { store: new PostgresStore({ connectionString }), authKey: process.env.SESSION_AUTH_KEYS })
await app.register(tokens, { store: new PostgresTokenStore({ connectionString }), issuer: 'https://id.example.com', audience: 'api', signingKeys: process.env.TOKEN_SIGNING_KEYS, refreshKey: process.env.TOKEN_REFRESH_KEYS })
await app.register(authRoutes, {
  prefix: '/auth',
  async authenticate ({ email, password }, request): Promise<AuthUser | null> {
    if (password === '') throw new RequestError(429, 'ERR_SLOW_DOWN', request.ip, undefined, { 'retry-after': '1' })
    return { id: email, claims: { isAdmin: true } }
  }
})
await app.register(authRoutes, { prefix: '/auth' }) // wrong
app.post<{ Body: { name: string }, Params: { id: string } }>('/typed/:id', { onRequest: app.requireAuth, preHandler: [app.requireAdmin, app.requireRole('editor'), app.requireRecentAuth(60)] }, async (request) => {
  const identity: Identity | null = request.auth
  const name: string = request.body.name
  return [identity?.userId, name, request.params.id, request.refresh?.generation]
})
app.addHook('preHandler', app.verifyAccessToken)
app.get('/me', { preHandler: app.requireAuth }, async (request) => request.auth.userId) // wrong
app.get('/role', { preHandler: app.requireRole() }, async () => 'x') // wrong
app.post('/in', async (request): Promise<TokenPair> => {
  request.session.setUserId('ada', { isAdmin: true })
  return await app.tokens.issue(request)
})
export const guard: Guard = app.requireAuth
`)
})
