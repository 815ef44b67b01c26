import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { PostgresStore } from '../../src/stores/postgres/store.js'
import { newSession } from '../../src/testing/fixtures.js'
import { cookieOf, openServiceOnPostgres } from '../helpers/service-app.js'

const PASSWORD = 'correct horse battery'
const NOBODY = '00000000-0000-4000-8000-000000000000'

interface Person { readonly id: string, readonly cookie: string, readonly sessionId: string }

async function open (t: Test) {
  const service = await openServiceOnPostgres(t, { env: { ADMIN_EMAILS: 'root@example.com' } })
  const { app } = service
  const person = async (email: string): Promise<Person> => {
    const answer = await app.inject({ method: 'POST', url: '/auth/register', payload: { email, password: PASSWORD, transport: 'none' } })
    return { id: answer.json().user.id, cookie: cookieOf(answer), sessionId: answer.json().session.id }
  }
  const [root, ann] = [await person('root@example.com'), await person('ann@example.com')]
  const see = async ({ cookie }: Person, url: string): Promise<LightMyRequestResponse> => await app.inject({ url, headers: { cookie, accept: 'text/html' } })
  /** Sends the form as it stands on a page: of another one, for that has the same token. */
  const send = async (who: Person, url: string, fields: Readonly<Record<string, string>>, { csrf }: { csrf?: string } = {}): Promise<LightMyRequestResponse> => {
    const page = await see(who, '/account/sessions')
    const token = csrf ?? /name="_csrf" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
    const options: InjectOptions = { method: 'POST', url, payload: new URLSearchParams({ ...fields, _csrf: token }).toString() }
    const cookies = [who.cookie, ...page.cookies.map(({ name, value }) => `${name}=${value}`)].join('; ')
    return await app.inject({ ...options, headers: { cookie: cookies, accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded' } })
  }
  return { ...service, root, ann, person, see, send }
}

const headingOf = ({ body }: LightMyRequestResponse): string | undefined => /<h1>([^<]*)<\/h1>/.exec(body)?.[1]

void t.test('attack: strangers are led to the sign-in page and users are refused, of every page and form', async (t) => {
  const { app, ann, see, send } = await open(t)
  for (const url of ['/admin', '/admin/find', `/admin/sessions/${ann.sessionId}`, `/admin/users/${ann.id}`]) {
    const stranger = await app.inject({ url, headers: { accept: 'text/html' } })
    t.match(stranger, { statusCode: 303, headers: { location: `/login?next=${encodeURIComponent(url)}` } }, url)
    const refused = await see(ann, url)
    t.equal(refused.statusCode, 403, url)
    t.equal(headingOf(refused), 'This is for administrators')
    t.match((await app.inject({ url, headers: { cookie: ann.cookie } })).json(), { status: 403, code: 'ERR_FORBIDDEN' }, 'a program gets a problem document')
  }
  for (const url of [`/admin/sessions/${ann.sessionId}`, `/admin/users/${ann.id}`]) {
    t.equal((await send(ann, url, { act: 'unblock' })).statusCode, 403)
    const stranger = await app.inject({ method: 'POST', url, headers: { accept: 'text/html' } })
    t.match(stranger, { statusCode: 303, headers: { location: `/login?next=${encodeURIComponent(url)}` } }, 'who was signed out meanwhile comes back to the page of the form')
  }
})

void t.test('attack: a form without the token of the session does nothing', async (t) => {
  const { app, root, ann, send } = await open(t)
  for (const [url, act] of [[`/admin/sessions/${ann.sessionId}`, 'end'], [`/admin/users/${ann.id}`, 'disable']] as const) {
    const answer = await send(root, url, { act }, { csrf: 'forged' })
    t.equal(answer.statusCode, 403)
    t.equal(headingOf(answer), 'This form is out of date')
  }
  t.equal((await app.inject({ url: '/auth/me', headers: { cookie: ann.cookie } })).statusCode, 200)
})

void t.test('one’s own session and account are refused, with a page that says why, and offer no form', async (t) => {
  const { app, root, see, send } = await open(t)
  for (const [url, acts] of [[`/admin/sessions/${root.sessionId}`, ['block', 'end']], [`/admin/users/${root.id}`, ['logout', 'disable']]] as const) {
    t.notMatch((await see(root, url)).body, 'name="act"')
    for (const act of acts) {
      const answer = await send(root, url, { act })
      t.equal(answer.statusCode, 409, `${url} ${act}`)
      t.equal(headingOf(answer), 'This is your own account')
    }
  }
  t.equal((await app.inject({ url: '/auth/me', headers: { cookie: root.cookie } })).statusCode, 200)
})

void t.test('what is nobody’s is not found, an act that is none is refused, and what is gone already is said to be', async (t) => {
  const { root, ann, see, send } = await open(t)
  for (const url of [`/admin/sessions/${NOBODY}`, '/admin/sessions/nonsense', `/admin/users/${NOBODY}`, '/admin/users/nonsense']) t.equal((await see(root, url)).statusCode, 404, url)
  for (const url of [`/admin/sessions/${ann.sessionId}`, `/admin/users/${ann.id}`]) t.equal((await send(root, url, { act: 'explode' })).statusCode, 400, url)
  t.match(await send(root, `/admin/sessions/${ann.sessionId}`, { act: 'end' }), { statusCode: 303, headers: { location: `/admin/sessions/${ann.sessionId}` } })
  t.match((await see(root, '/')).body, 'The session has ended.')
  t.equal((await send(root, `/admin/sessions/${ann.sessionId}`, { act: 'end' })).statusCode, 303)
  t.match((await see(root, '/')).body, 'That session had ended already.')
  t.match((await see(root, `/admin/find?q=${ann.sessionId.toUpperCase()}`)).body, `<a href="/admin/sessions/${ann.sessionId}">Its story</a>`)
})

void t.test('the form of a block says when there was one, and refuses a reason of over 200 characters as the route does', async (t) => {
  const { root, ann, see, send } = await open(t)
  const url = `/admin/sessions/${ann.sessionId}`
  t.match((await see(root, url)).body, /<input id="reason"[^>]* maxlength="200"/)
  t.equal((await send(root, url, { act: 'block', reason: 'x'.repeat(201) })).statusCode, 400)
  t.equal((await send(root, url, { act: 'block', reason: 'first' })).statusCode, 303)
  t.match((await see(root, url)).body, /The session is blocked\..*Blocked: first/s)
  t.equal((await send(root, url, { act: 'block', reason: 'second' })).statusCode, 303)
  t.match((await see(root, url)).body, /The session was blocked already: its reason stands\..*Blocked: first/s)
})

void t.test('the routes for programs tell the story as the forms do', async (t) => {
  const { app, root, ann, see } = await open(t)
  const act = async (method: 'POST' | 'DELETE', url: string, payload?: object) => await app.inject({ method, url, headers: { cookie: root.cookie }, ...(payload !== undefined && { payload }) })
  t.equal((await act('POST', `/admin/sessions/${ann.sessionId}/block`, { reason: 'odd' })).statusCode, 204)
  t.equal((await act('POST', `/admin/sessions/${ann.sessionId}/unblock`)).statusCode, 204)
  t.equal((await act('DELETE', `/admin/sessions/${ann.sessionId}`)).statusCode, 204)
  const { body } = await see(root, `/admin/sessions/${ann.sessionId}`)
  t.match(body, 'Ended by an administrator.')
  t.equal(body.match(new RegExp(`by <a href="/admin/users/${root.id}">root@example.com</a>`, 'g'))?.length, 3)
  for (const path of ['disable', 'enable', 'logout']) t.equal((await act('POST', `/admin/users/${ann.id}/${path}`)).statusCode, 204)
  const user = await see(root, `/admin/users/${ann.id}`)
  for (const text of ['An administrator disabled the user', 'An administrator enabled the user', 'An administrator signed the user out everywhere']) t.match(user.body, text)
})

void t.test('users and sessions are found by address, e-mail address and id, users of other applications, too, and markup stays text', async (t) => {
  const { root, ann, see, connectionString } = await open(t)
  const store = new PostgresStore({ connectionString })
  t.teardown(async () => { await store.close() })
  const foreign = await store.create(newSession({ userId: '<b>carla/7</b>', clientIp: '2001:db8::9', userAgent: '<i>x</i>' }))
  const found = async (query: string): Promise<string[]> => [...(await see(root, `/admin/find?${query}`)).body.matchAll(/href="\/admin\/sessions\/([^"]+)"/g)].map(([, id = '']) => id)
  t.strictSame(await found(''), [root.sessionId, ann.sessionId, foreign.id].sort())
  for (const query of ['q=ANN@', `q=${ann.id}`, `user=${ann.id}`, `q=%20${ann.sessionId}%20`]) t.strictSame(await found(query), [ann.sessionId], query)
  t.strictSame(await found('q=2001:db8:0::9'), [foreign.id])
  t.strictSame(await found(`q=${encodeURIComponent('<b>carla/7</b>')}`), [foreign.id])
  t.strictSame(await found('q=%25'), [])
  t.equal((await see(root, '/admin/find?q=a%00')).statusCode, 400)
  t.equal((await see(root, '/admin/find?cursor=x')).statusCode, 400)
  for (const url of ['/admin/find', `/admin/sessions/${foreign.id}`, `/admin/users/${encodeURIComponent('<b>carla/7</b>')}`]) {
    const page = await see(root, url)
    t.equal(page.statusCode, 200, url)
    t.match(page.body, '&lt;b&gt;carla/7&lt;/b&gt;')
    t.notMatch(page.body, /<b>carla|<i>x/)
  }
  t.notMatch((await see(root, `/admin/users/${encodeURIComponent('<b>carla/7</b>')}`)).body, 'name="act"', 'whom this service cannot disable')
})

void t.test('a session under its former id leads to its story', async (t) => {
  const { app, root, ann, see } = await open(t)
  const answer = await app.inject({ method: 'POST', url: '/auth/reauthenticate', headers: { cookie: ann.cookie }, payload: { password: PASSWORD } })
  t.equal(answer.statusCode, 204)
  const { id } = (await app.inject({ url: '/session', headers: { cookie: cookieOf(answer) } })).json<{ id: string }>()
  t.not(id, ann.sessionId)
  t.match(await see(root, `/admin/sessions/${ann.sessionId}`), { statusCode: 302, headers: { location: `/admin/sessions/${id}` } })
})

void t.test('the list goes on by pages, each session once', async (t) => {
  const { root, see, pool } = await open(t)
  await pool.query(`INSERT INTO sessions (id, secret_hash, expires_at, absolute_expires_at, client_ip)
    SELECT gen_random_uuid(), decode(md5(n::text) || md5(n::text), 'hex'), now() + interval '1 hour', now() + interval '1 day', '192.0.2.1' FROM generate_series(1, 120) AS n`)
  const seen: string[] = []
  for (let url: string | undefined = '/admin/find?q=192.0.2.1'; url !== undefined;) {
    const { body } = await see(root, url)
    seen.push(...[...body.matchAll(/href="\/admin\/sessions\/([^"]+)"/g)].map(([, id = '']) => id))
    url = /href="([^"]+)">Next 50/.exec(body)?.[1]?.replaceAll('&amp;', '&')
  }
  t.strictSame([seen.length, new Set(seen).size], [120, 120])
})

void t.test('the plots show the figures of the table of counts, in each range', async (t) => {
  const { root, see, pool } = await open(t)
  await pool.query("INSERT INTO stats (name, bucket, value) SELECT name, date_bin('5 minutes', now() - age, 'epoch'), value FROM (VALUES ('alarms', interval '2 hours', 4321), ('alarms', interval '5 days', 1000), ('refresh_early', interval '20 days', 77)) AS s (name, age, value)")
  const figures = async (range: string) => {
    const { body } = await see(root, `/admin?range=${range}`)
    const plot = (id: string): string => new RegExp(`id="${id}">.*?</figure>`, 's').exec(body)?.[0] ?? ''
    const cells = (id: string): string[] => [...plot(id).matchAll(/class="number">([^<]*)<\/td>/g)].map(([, cell = '']) => cell)
    return { alarms: cells('alarms').filter((cell) => cell !== '0'), refreshes: cells('refreshes').filter((cell) => cell !== '0'), body, plot }
  }
  t.match(await figures('24h'), { alarms: ['4,321'], refreshes: [] })
  t.match(await figures('7d'), { alarms: ['4,321', '1,000'], refreshes: [] })
  const month = await figures('30d')
  t.match(month, { alarms: ['4,321', '1,000'], refreshes: ['77'] })
  t.match(month.plot('alarms'), '5,321 in all')
  t.equal((month.plot('alarms').match(/class="bad block"/g) ?? []).length, 2, 'a bar each')
  t.equal((await figures('__proto__')).alarms.length, 1, 'any other range is a day')
  t.notMatch(month.body, /<script|<style|\sstyle=|\son\w+=|javascript:/i)
})
