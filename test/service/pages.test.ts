import t from 'tap'
import type { Test } from 'tap'
import { PostgresStore } from '../../src/stores/postgres/store.js'
import { openServiceOnPostgres, PRODUCTION } from '../helpers/service-app.js'
import type { ServiceOnPostgres, ServiceOptions } from '../helpers/service-app.js'
import { setCookies } from '../helpers/session-app.js'
import { ProbedStore } from '../helpers/session-store.js'
import { EMAIL, PASSWORD, textOf, Visitor } from './visitor.js'

const OTHER = 'another horse altogether'
const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1'

interface Opened extends ServiceOnPostgres {
  visitor (userAgent?: string): Visitor
  sessions (): Promise<number>
}

let shared: Promise<ServiceOnPostgres> | undefined

/** One service for all tests that bring no options: emptied before each. */
async function open (test: Test, options?: ServiceOptions): Promise<Opened> {
  const service = await (options === undefined ? shared ??= openServiceOnPostgres(t) : openServiceOnPostgres(test, options))
  await service.pool.query('WITH s AS (DELETE FROM sessions) DELETE FROM users')
  return {
    ...service,
    visitor: (userAgent) => new Visitor(service.app, userAgent),
    sessions: async () => (await service.pool.query('SELECT 1 FROM sessions WHERE expires_at > now()')).rowCount ?? 0
  }
}

void t.test('strangers get no row and, where no form is, no cookie, whatever they open and send', async (t) => {
  const { visitor, sessions } = await open(t)
  for (const url of ['/', '/nothing', '/account/sessions', '/account/password', '/admin/nothing', '/style.css', '/favicon.svg']) {
    const { headers } = await visitor().open(url)
    t.equal(headers['set-cookie'], undefined, url)
  }
  for (const url of ['/login', '/register', '/login?notice=signed-out']) {
    t.match(setCookies(await visitor().open(url)), [{ name: 'csrf', attributes: { HttpOnly: true, SameSite: 'Lax', Path: '/' } }], url)
  }
  const ann = visitor()
  t.equal((await ann.signIn(EMAIL, 'wrong')).statusCode, 401)
  t.equal((await ann.submit('/register', { email: 'x', password: 'y', repeat: 'z' })).statusCode, 400)
  t.equal((await ann.post('/account/sessions', { end: 'others' })).statusCode, 303)
  t.equal((await ann.post('/logout', {})).statusCode, 303)
  t.equal(await sessions(), 0)
})

void t.test('whoever registers is signed in, is told so once, and nothing of it stays in the session', async (t) => {
  const { visitor, pool } = await open(t)
  const ada = visitor()
  const answer = await ada.register()
  t.match(answer, { statusCode: 303, headers: { location: '/', 'cache-control': 'no-store' } })
  const first = textOf((await ada.open('/')).body)
  t.match(first, 'Your account is made, and you are signed in.')
  t.match(first, /You are ada @example\.com/)
  t.notMatch((await ada.open('/')).body, 'Your account is made')
  const { rows } = await pool.query<{ values: object }>('SELECT values FROM sessions')
  t.strictSame(rows.map(({ values }) => Object.keys(values)), [['_visits']])
})

void t.test('who asks to be remembered gets a cookie of thirty days, who does not one that ends with the browser', async (t) => {
  const { visitor } = await open(t)
  await visitor().register()
  const lives = async (fields: Record<string, string>): Promise<unknown> => setCookies(await visitor().signIn(EMAIL, PASSWORD, fields), 'sid')[0]?.attributes['Max-Age']
  t.equal(await lives({ remember: 'on' }), String(30 * 86_400))
  t.equal(await lives({}), undefined)
})

void t.test('signing in by a page is the operation of POST /auth/login: another session, the device known, no tokens', async (t) => {
  const { app, visitor, pool, sessions } = await open(t)
  await visitor().register()
  const ada = visitor()
  const { cookies } = await app.inject({ method: 'PATCH', url: '/session', payload: { set: { colour: 'silver' } } })
  for (const { name, value } of cookies) ada.browser.cookies.set(name, value)
  ada.browser.cookies.set('at', 'of another sign-in')
  const before = ada.browser.cookies.get('sid')
  const answer = await ada.signIn()
  t.equal(answer.statusCode, 303)
  t.not(ada.browser.cookies.get('sid'), before, 'fixation: the cookie of before is dead')
  t.ok(ada.browser.cookies.has('kd'))
  t.notOk(ada.browser.cookies.has('at'))
  t.match((await app.inject({ url: '/session', headers: { cookie: ada.browser.header } })).json(), { values: { colour: 'silver' } }, 'and its values came along')
  t.equal((await pool.query('SELECT 1 FROM refresh_tokens')).rowCount, 0)
  t.equal(await sessions(), 2)
})

void t.test('a form that is refused keeps the address, never a password, and says beside the field what is wrong', async (t) => {
  const { visitor } = await open(t)
  await visitor().register()
  const ann = visitor()
  const cases: [string, string, Record<string, string>, number, string, string | null][] = [
    ['/login', '/login', { email: EMAIL, password: 'hunter2 hunter2' }, 401, 'The e-mail address or the password is not right.', null],
    ['/login', '/login', { email: 'a"><b>x', password: '' }, 400, 'Enter your password.', 'password'],
    ['/login', '/login', { email: 'nobody', password: 'hunter2 hunter2' }, 400, 'Enter an e-mail address, such as ada@example.com.', 'email'],
    ['/register', '/register', { email: 'b@example.com', password: 'hunter2', repeat: 'hunter2' }, 422, 'The password is weak: it must have at least 15 characters.', 'password'],
    ['/register', '/register', { email: 'b@example.com', password: 'hunter2 hunter3', repeat: 'hunter2 hunter4' }, 400, 'The two passwords differ. Type the same one twice.', 'repeat'],
    ['/register', '/register', { email: EMAIL, password: 'hunter2 and an owl', repeat: 'hunter2 and an owl' }, 409, 'Somebody has registered with this e-mail address already. If that was you, sign in.', 'email']
  ]
  for (const [page, action, fields, status, text, field] of cases) {
    const answer = await ann.submit(page, fields, action)
    t.match(answer, { statusCode: status, headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' } }, text)
    t.notMatch(answer.body, 'hunter2')
    t.match(answer.body, `value="${(fields['email'] ?? '').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')}"`)
    t.match(answer.body, /<title>Error: /)
    t.match(answer.body, /<div class="summary" role="alert" tabindex="-1" autofocus/)
    t.equal(answer.body.split(text).length - 1, field === null ? 1 : 2, `${text}: in the summary, and beside its field`)
    if (field !== null) t.match(answer.body, new RegExp(`<input id="${field}"[^>]* aria-describedby="(?:${field}-hint )?${field}-error" aria-invalid="true"`))
    t.notMatch(setCookies(answer, 'sid'), [{}], 'and the browser is as it was')
  }
})

void t.test('a field that is sent twice, or that is no text, is refused as one that is missing', async (t) => {
  const { visitor } = await open(t)
  const ann = visitor()
  const token = encodeURIComponent(await ann.token('/login'))
  for (const body of ['email=a%40b.example&email=c%40d.example&password=x', 'email[]=x&password=x', '__proto__=x&email=%ff&password=%ff', `email=${'x'.repeat(300)}&password=x`]) {
    t.equal((await ann.post('/login', `_csrf=${token}&${body}`)).statusCode, 400, body.slice(0, 40))
  }
  t.equal((await ann.post('/login', `_csrf=${token}&email=${'x'.repeat(20_000)}`)).statusCode, 413)
})

void t.test('too many attempts are answered with the form, in words, and with Retry-After', async (t) => {
  const { visitor } = await open(t, { env: { RATE_LIMIT: 'on' } })
  const ann = visitor()
  await ann.register()
  const guesser = visitor()
  let answer = await guesser.signIn(EMAIL, 'a wrong password')
  while (answer.statusCode === 401) answer = await guesser.signIn(EMAIL, 'a wrong password')
  t.match(answer, { statusCode: 429, headers: { 'retry-after': /^\d+$/, 'content-type': /^text\/html/ } })
  t.match(answer.body, /There were too many attempts\. Try again in \d+ (?:second|minute)s?\./)
  t.match(answer.body, `value="${EMAIL}"`)
})

void t.test('a password is changed: this device stays, the others have ended, the forms of before do not hold', async (t) => {
  const { visitor, sessions } = await open(t)
  const ada = visitor()
  await ada.register()
  const phone = visitor(IPHONE)
  await phone.signIn()
  t.match(await ada.submit('/account/password', { current: 'not my password', next: OTHER, repeat: OTHER }), { statusCode: 401, body: /This is not your current password\./ })
  t.match(await ada.submit('/account/password', { current: PASSWORD, next: 'short', repeat: 'short' }), { statusCode: 422, body: /<p class="error" id="next-error">/ })
  const stale = await ada.token('/account/sessions')
  t.match(await ada.submit('/account/password', { current: PASSWORD, next: OTHER, repeat: OTHER }), { statusCode: 303, headers: { location: '/account/sessions' } })
  t.match(textOf((await ada.open('/account/sessions')).body), 'Your password is changed, and all other devices are signed out.')
  t.match(await phone.open('/account/sessions'), { statusCode: 303, headers: { location: '/login?next=%2Faccount%2Fsessions' } })
  t.match(await ada.post('/logout', { _csrf: stale }), { statusCode: 403, body: /This form is out of date/ }, 'X07: another secret, another token')
  t.equal(await sessions(), 1)
  t.equal((await visitor().signIn(EMAIL, PASSWORD)).statusCode, 401)
  t.equal((await visitor().signIn(EMAIL, OTHER)).statusCode, 303)
})

void t.test('when the storage fails after a password was changed, the page says that it is changed', async (t) => {
  const { openNode, connectionString, sessions } = await open(t)
  const store = new ProbedStore(new PostgresStore({ connectionString }))
  const ada = new Visitor(await openNode({ store }))
  await ada.register()
  const phone = new Visitor(await openNode(), IPHONE)
  await phone.signIn()
  const token = await ada.token('/account/password')
  store.break('save')
  const answer = await ada.post('/account/password', { _csrf: token, current: PASSWORD, next: OTHER, repeat: OTHER })
  t.match(answer, { statusCode: 503, headers: { 'cache-control': 'no-store' } })
  t.match(textOf(answer.body), /Your password is changed All other devices are signed out, too\. .* you may have to sign in again/)
  t.equal(await sessions(), 1)
  store.mend()
  t.equal((await phone.signIn(EMAIL, OTHER)).statusCode, 303)

  store.before = async (method) => { if (method === 'save') await store.deleteByUser((await store.get(own))?.userId ?? '') }
  const { id: own } = (await ada.browser.get('/session')).json<{ id: string }>()
  const gone = await ada.post('/account/password', { _csrf: await ada.token('/account/password'), current: OTHER, next: PASSWORD, repeat: PASSWORD })
  t.match(gone, { statusCode: 409, body: /Your password is changed/ }, 'or when the session ended meanwhile')
  t.equal((await phone.signIn(EMAIL, PASSWORD)).statusCode, 303)
})

void t.test('a page says that nothing was changed only where that is known', async (t) => {
  const { openNode, connectionString } = await open(t)
  const store = new ProbedStore(new PostgresStore({ connectionString }))
  const ada = new Visitor(await openNode({ store }))
  await ada.register()
  const token = await ada.token('/account/sessions')
  const doubt = 'Whether what you sent was done is not known: look before you send it again.'
  for (const [method, url] of [['deleteByUser', '/account/sessions'], ['get', '/account/sessions']] as const) {
    store.break(method)
    const { statusCode, body } = await ada.post(url, { _csrf: token, end: 'others' })
    t.equal(statusCode, 503)
    t.match(body, doubt, method)
    t.notMatch(body, 'Nothing was changed')
  }
  const { statusCode, body } = await ada.open('/account/sessions')
  t.equal(statusCode, 503)
  t.notMatch(body, doubt, 'who only looks has sent nothing')
  t.notMatch(body, 'Nothing was changed')
})

void t.test('my devices: this one is marked, one is ended, all others are ended, an ended one is told', async (t) => {
  const { visitor, app, sessions } = await open(t)
  const ada = visitor()
  await ada.register()
  for (const userAgent of [IPHONE, 'curl/8.5.0', '<b>unheard of</b>']) await visitor(userAgent).signIn()
  const { body } = await ada.open('/account/sessions')
  t.match(textOf(body), /Your devices .*Firefox on Linux This device .*Unknown device .*curl .*Safari on iOS /)
  t.equal(body.split('This device').length - 1, 1)
  t.match(body, /<dd><time datetime="\d{4}-[^"]+Z" title="\d+ \w+ \d{4}, \d\d:\d\d UTC">just now<\/time>\s*<\/dd>/)
  t.match(body, '<dd>127.0.0.1</dd>')
  const list = (await app.inject({ url: '/auth/sessions', headers: { cookie: ada.browser.header } })).json<{ id: string, device: string | null, current: boolean }[]>()
  const phone = list.find(({ device }) => device === 'Safari on iOS')?.id ?? ''
  t.match(await ada.submit('/account/sessions', { end: phone }), { statusCode: 303, headers: { location: '/account/sessions' } })
  t.match((await ada.open('/account/sessions')).body, 'That device is signed out.')
  t.equal(await sessions(), 3)
  await ada.submit('/account/sessions', { end: phone })
  t.match((await ada.open('/account/sessions')).body, 'That device was signed out already.')
  await ada.submit('/account/sessions', { end: 'others' })
  t.match((await ada.open('/account/sessions')).body, '2 other devices are signed out.')
  t.match((await ada.open('/account/sessions')).body, 'You are signed in nowhere else.')
  const own = list.find(({ current }) => current)?.id ?? ''
  t.match(await ada.post('/account/sessions', { end: own, _csrf: await ada.token('/account/sessions') }), { statusCode: 303, headers: { location: '/login?notice=signed-out' } })
  t.notOk(ada.browser.cookies.has('sid'), 'to end one’s own is to sign out')
})

void t.test('attack: another user’s device is not ended, and not told from one that never was', async (t) => {
  const { visitor, app, sessions } = await open(t)
  const [ada, eve] = [visitor(), visitor()]
  await ada.register()
  await eve.register('eve@example.com')
  const [device] = (await app.inject({ url: '/auth/sessions', headers: { cookie: ada.browser.header } })).json<{ id: string }[]>()
  for (const end of [device?.id ?? '', '00000000-0000-4000-8000-000000000000', 'x', '']) {
    await eve.submit('/account/sessions', { end })
    t.match((await eve.open('/account/sessions')).body, 'That device was signed out already.', end)
  }
  t.equal(await sessions(), 2)
})

void t.test('who has signed out is told so, and their cookie is dead', async (t) => {
  const { visitor, sessions } = await open(t)
  const ada = visitor()
  await ada.register()
  const copy = ada.browser.copy()
  const answer = await ada.submit('/', {}, '/logout')
  t.match(answer, { statusCode: 303, headers: { location: '/login?notice=signed-out' } })
  t.match((await ada.open('/login?notice=signed-out')).body, 'You are signed out.')
  t.notMatch((await ada.open('/login?notice=%3Cb%3Ehello')).body, 'hello')
  t.match(await copy.get('/account/sessions', { headers: { accept: 'text/html' } }), { statusCode: 303 })
  t.equal(await sessions(), 0)
})

void t.test('attack: who signs out while their session is blocked is signed out for good: the cookie goes, and is dead when the block is lifted', async (t) => {
  const { visitor, pool, sessions } = await open(t)
  const ada = visitor()
  await ada.register()
  const shown = await ada.token('/account/sessions') // in a tab of before the block
  const copy = ada.browser.copy()
  await pool.query("UPDATE sessions SET blocked_at = now(), blocked_reason = 'stolen laptop'")
  t.match(await ada.post('/logout', { _csrf: shown }, { 'sec-fetch-site': 'cross-site' }), { statusCode: 403 }, 'by a page of another site nobody is')
  t.match(await ada.post('/logout', { _csrf: shown }), { statusCode: 303, headers: { location: '/login?notice=signed-out' } })
  t.notOk(ada.browser.cookies.has('sid'))
  await pool.query('UPDATE sessions SET blocked_at = NULL, blocked_reason = NULL')
  t.equal(await sessions(), 0)
  t.match(await copy.get('/account/sessions', { headers: { accept: 'text/html' } }), { statusCode: 303 })
})

void t.test('who signs out is signed out of the tokens that the browser holds, without a session cookie too', async (t) => {
  const { visitor, sessions } = await open(t)
  await visitor().register()
  const ada = visitor()
  await ada.browser.post('/auth/login', { payload: { email: EMAIL, password: PASSWORD, transport: 'cookie' } })
  ada.browser.cookies.delete('sid')
  const copy = ada.browser.copy()
  t.equal((await copy.get('/auth/me')).statusCode, 200)
  t.match(await ada.post('/logout', {}), { statusCode: 303, headers: { location: '/login?notice=signed-out' } })
  t.notOk(ada.browser.cookies.has('at') || ada.browser.cookies.has('rt'))
  t.equal((await copy.get('/auth/me')).statusCode, 401)
  t.equal((await copy.post('/auth/refresh')).statusCode, 401)
  t.equal(await sessions(), 1, 'that of the other browser')
})

void t.test('who must sign in comes back to where they were; a path that leads elsewhere is dropped', async (t) => {
  const { visitor } = await open(t)
  const ada = visitor()
  await ada.register()
  const anew = async (next: string): Promise<unknown> => (await visitor().submit(`/login?next=${encodeURIComponent(next)}`, { email: EMAIL, password: PASSWORD })).headers.location
  t.equal(await anew('/account/sessions'), '/account/sessions')
  for (const evil of ['https://evil.example', '//evil.example', '/\\evil.example', '/\t/evil.example', '/..//evil.example']) {
    t.equal(await anew(evil), '/', evil)
    const forged = visitor()
    t.equal((await forged.submit('/login', { email: EMAIL, password: PASSWORD, next: evil })).headers.location, '/', `${evil}, in the form`)
    t.equal((await ada.open(`/login?next=${encodeURIComponent(evil)}`)).headers.location, '/', `${evil}, signed in`)
  }
  const failed = await visitor().submit('/login?next=/account/password', { email: EMAIL, password: 'wrong' })
  t.match(failed.body, '<input type="hidden" name="next" value="/account/password">', 'and a slip does not lose it')
})

void t.test('a client’s own "flash" is kept and not shown, and the notice of a page is shown to no client', async (t) => {
  const { visitor, app } = await open(t)
  const ada = visitor()
  const values = async (): Promise<object> => (await app.inject({ url: '/session', headers: { cookie: ada.browser.header } })).json<{ values: object }>().values
  await ada.register()
  t.strictSame(await values(), {})
  for (const flash of [5, 'x', null, [], { notice: 5 }, { notice: ['loud'] }]) {
    t.equal((await app.inject({ method: 'PATCH', url: '/session', headers: { cookie: ada.browser.header }, payload: { set: { flash } } })).statusCode, 200)
    t.match(await ada.submit('/account/sessions', { end: 'others' }), { statusCode: 303 })
    t.strictSame(await values(), { flash }, 'while a notice waits')
    const { body } = await ada.open('/account/sessions')
    t.match(body, 'You are signed in nowhere else.')
    t.notMatch(body, 'loud')
    t.strictSame(await values(), { flash }, 'and when it is shown')
  }
})

void t.test('a notice that a hand in the database has changed breaks nothing', async (t) => {
  const { visitor, pool } = await open(t)
  const ada = visitor()
  await ada.register()
  for (const notice of [5, 'x', null, [], { notice: 5 }, { notice: '<b>x' }, { notice: [{}] }, { notice: [['<b>deep']] }]) {
    const write = async (): Promise<unknown> => await pool.query('UPDATE sessions SET values = values || $1', [{ _flash: notice }])
    await write()
    const answer = await ada.open('/')
    t.equal(answer.statusCode, 200, JSON.stringify(notice))
    t.notMatch(answer.body, '<b>')
    await write()
    t.equal((await ada.submit('/account/sessions', { end: 'others' })).statusCode, 303)
  }
})

void t.test('in production the token of the forms is a cookie of this host alone, over https alone', async (t) => {
  const { visitor } = await open(t, { env: PRODUCTION })
  t.match(setCookies(await visitor().open('/login')), [{ name: '__Host-csrf', attributes: { HttpOnly: true, Secure: true, SameSite: 'Lax', Path: '/' } }])
})

void t.test('C14: who signs out has the browser drop what CLEAR_SITE_DATA lists, by a page and by the API', async (t) => {
  const { openNode, pool } = await openServiceOnPostgres(t)
  for (const [env, header] of [[{ CLEAR_SITE_DATA: 'cache,storage' }, '"cache", "storage"'], [{}, undefined]] as const) {
    await pool.query('DELETE FROM users')
    const app = await openNode({ env })
    const ada = new Visitor(app)
    await ada.register()
    const page = await ada.submit('/account/sessions', {}, '/logout')
    t.match(page, { statusCode: 303, headers: { location: '/login?notice=signed-out' } })
    t.equal(page.headers['clear-site-data'], header)
    await ada.signIn()
    const { id } = (await ada.browser.get('/session')).json<{ id: string }>()
    t.equal((await ada.submit('/account/sessions', { end: id })).headers['clear-site-data'], header, 'by the list of devices')
    await ada.signIn()
    t.equal((await ada.browser.post('/auth/logout')).headers['clear-site-data'], header)
  }
})
