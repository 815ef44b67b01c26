import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { age, ask, openPair, refresh, signIn } from '../helpers/token-client.js'

const MAIL = 'ada@example.com'
const PASSWORDS = ['a long walk by the sea', 'a long walk up the hill', 'a wrong guess at the password']

/** The text of a token, and the bytes in it that prove something, in the forms in which a dump or a log would show them. */
function formsOf (secret: string): string[] {
  if (!secret.startsWith('rt_')) return [secret, encodeURIComponent(secret)]
  const bytes = Buffer.from(secret.slice(3), 'base64url').subarray(25, 57)
  return [secret, bytes.toString('hex'), bytes.toString('base64'), bytes.toString('base64url')]
}

async function dump (connectionString: string): Promise<string> {
  const child = spawn('pg_dump', ['--inserts', connectionString], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`pg_dump ended with ${String(code)}`)
  return text
}

/** Whether `npm test` could not get the program; it says so at its end, and fails in CI. */
const hasPgDump = !(process.env['SILVERBACK_TEST_WITHOUT'] ?? '').split(',').includes('pg_dump')

if (hasPgDump) {
  void t.test('theft of a dump or of logs: of every secret that was issued, neither pg_dump nor the logs at trace level hold one', async (t) => {
    const { a, b, pool, connectionString } = await openPair(t, { LOG_LEVEL: 'trace' })
    const secrets: string[] = [...PASSWORDS]
    const note = (answer: Awaited<ReturnType<typeof ask>>): void => {
      const { access_token: access, refresh_token: token } = answer.body ?? {}
      secrets.push(...[access, token, answer.headers.get('x-refresh-token')].filter((text) => typeof text === 'string'))
      for (const cookie of answer.headers.getSetCookie()) {
        const value = /^[^=]+=([^;]+)/.exec(cookie)?.[1]
        if (value !== undefined) secrets.push(decodeURIComponent(value))
      }
    }
    const first = await signIn(a.url, 'register', MAIL)
    secrets.push(first.access, first.refresh)
    for (const transport of ['body', 'cookie', 'hybrid', 'none']) {
      note(await ask(b.url, 'POST', '/auth/login', { body: { email: MAIL, password: PASSWORDS[0], transport } }))
    }
    note(await ask(b.url, 'POST', '/auth/login', { body: { email: MAIL, password: PASSWORDS[2] } }))
    await age(pool, first.sessionId, 91)
    const second = await refresh(a.url, first.refresh)
    note(second)
    note(await refresh(b.url, first.refresh))
    note(await ask(a.url, 'POST', '/auth/password', { token: first.access, body: { current: PASSWORDS[0], next: PASSWORDS[1] } }))
    // where they do not belong
    await ask(a.url, 'POST', `/auth/refresh?refresh_token=${first.refresh}`)
    await ask(a.url, 'GET', `/auth/me?access_token=${first.access}`)
    await ask(a.url, 'GET', '/auth/me', { token: first.refresh })
    await ask(a.url, 'GET', '/nothing', { headers: { cookie: `sid=${secrets.at(-1) ?? ''}`, 'x-refresh-token': first.refresh } })
    await ask(a.url, 'POST', '/auth/revoke', { body: { refresh_token: first.refresh, unknown: second.body?.refresh_token } })

    t.ok(secrets.length > 15, `${secrets.length} secrets`)
    const places = { 'the dump': await dump(connectionString), 'the logs': a.output() + b.output() }
    for (const [place, text] of Object.entries(places)) {
      t.ok(text.length > 2_000, `${place}: ${text.length} characters`)
      t.strictSame(secrets.flatMap(formsOf).filter((form) => text.includes(form)).length, 0, `${place} holds none`)
    }
  })
}
