import t from 'tap'
import type { LightMyRequestResponse } from 'fastify'
import type { AuthRoutesOptions, SiteData } from '../../src/plugins/auth/options.js'
import { Browser } from '../helpers/session-app.js'
import { bearer, openTokenApp, PASSWORD, type SignInAnswer } from '../helpers/token-app.js'

const NAME = 'clear-site-data'

/** Somebody who is signed in at an application with this option. */
async function signedIn (t: Parameters<typeof openTokenApp>[0], clearSiteData?: AuthRoutesOptions['clearSiteData']) {
  const parts = await openTokenApp(t, { auth: { ...(clearSiteData !== undefined && { clearSiteData }), changePassword: async () => true } })
  const browser = new Browser(parts.app)
  const answer = await browser.post('/auth/login', { payload: { email: 'ada@example.com', password: PASSWORD } })
  return { ...parts, browser, ...answer.json<SignInAnswer>() }
}

const headerOf = ({ headers }: LightMyRequestResponse): unknown => headers[NAME]

void t.test('C14: whoever signs out of this device has the browser drop what the option lists, and nothing besides', async (t) => {
  for (const [given, header] of [[['cache', 'storage'], '"cache", "storage"'], [['storage'], '"storage"'], [['cookies', 'executionContexts'], '"cookies", "executionContexts"'], [[], undefined], [undefined, undefined]] as const) {
    const logout = await signedIn(t, given)
    t.equal(headerOf(await logout.browser.post('/auth/logout')), header, `logout with ${given?.join()}`)
    const everywhere = await signedIn(t, given)
    t.equal(headerOf(await everywhere.browser.post('/auth/logout-all')), header, 'on all devices')
    const { browser, session } = await signedIn(t, given)
    t.equal(headerOf(await browser.send('DELETE', `/auth/sessions/${session.id}`)), header, 'by the list of devices')
  }
})

void t.test('C14: as long as somebody is signed in on this device nothing of it is dropped', async (t) => {
  const { app, browser, access_token: token = '' } = await signedIn(t, ['cache', 'cookies', 'storage'])
  const other = (await app.inject({ method: 'POST', url: '/auth/login', payload: { email: 'ada@example.com', password: PASSWORD } })).json<SignInAnswer>()
  t.equal(headerOf(await browser.send('DELETE', `/auth/sessions/${other.session.id}`)), undefined, 'another device was ended')
  t.equal(headerOf(await browser.post('/auth/logout-others')), undefined)
  t.equal(headerOf(await browser.post('/auth/password', { payload: { current: PASSWORD, next: 'another one' } })), undefined)
  t.equal(headerOf(await app.inject({ url: '/auth/me', headers: bearer(token) })), undefined)
})

void t.test('attack: a logout that another site sends, or that fails, empties nobody’s browser', async (t) => {
  const { browser, store } = await signedIn(t, ['cache', 'cookies', 'storage'])
  const crossSite = await browser.post('/auth/logout', { headers: { 'sec-fetch-site': 'cross-site' } })
  t.match(crossSite, { statusCode: 403 })
  t.equal(headerOf(crossSite), undefined)
  store.break()
  for (const url of ['/auth/logout', '/auth/logout-all']) {
    const failed = await browser.post(url)
    t.equal(failed.statusCode, 503)
    t.equal(headerOf(failed), undefined, url)
  }
})

void t.test('a list that names anything else is refused at registration, by its name', async (t) => {
  for (const clearSiteData of ['cache', '*', null, {}, ['*'], [undefined], ['"cache"'], ['cache', 'cache'], ['cache', 'Storage'], [7], ['cache, "cookies"']]) {
    await t.rejects(openTokenApp(t, { auth: { clearSiteData: clearSiteData as SiteData[] } }), { name: 'TypeError', message: /^"clearSiteData" option must be a list of 'cache', 'cookies', 'executionContexts', 'storage', each at most once; got / })
  }
})

void t.test('a list that is changed after registration changes no answer', async (t) => {
  const list: ('cache' | 'cookies')[] = ['cache']
  const { browser } = await signedIn(t, list)
  list.push('cookies')
  t.equal(headerOf(await browser.post('/auth/logout')), '"cache"')
})
