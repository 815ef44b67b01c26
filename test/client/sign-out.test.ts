import t from 'tap'
import { gate, until } from '../helpers/session-app.js'
import { AuthServer, fresh, refused } from './auth-server.js'
import { all, browse, hasChromium } from './tabs.js'

const FINAL = ['ERR_TOKEN_REUSED', 'ERR_TOKEN_REVOKED', 'ERR_TOKEN_EXPIRED', 'ERR_TOKEN_INVALID', 'ERR_SESSION_BLOCKED']

if (hasChromium) {
  for (const code of [...FINAL, 'ERR_TOKEN_MISSING']) {
    await t.test(`${code} stops every tab, and each is told once`, async (t) => {
      const server = new AuthServer()
      const { open, context } = await browse(t, await server.listen(t), { clock: 'running' })
      const tabs = [await open(), await open()]
      await all(tabs, async (tab) => { await tab.start() })
      await until(() => server.to('/auth/refresh').length >= 1, 'the tabs have started')
      server.refresh = refused(code, code === 'ERR_TOKEN_MISSING' ? 400 : 401)
      await until(async () => await tabs[0]?.refresh() === false, 'it is refused')
      await until(async () => (await all(tabs, async (tab) => await tab.signedOut())).every((times) => times === 1), 'both are told')
      const asked = server.to('/auth/refresh').length
      await context.clock.fastForward('05:00:00')
      await all(tabs, async (tab) => { await tab.wake('online') })
      await context.clock.fastForward('05:00:00')
      t.equal(server.to('/auth/refresh').length, asked, 'nothing is sent any more')
      t.strictSame(await all(tabs, async (tab) => await tab.refresh()), [false, false])
      t.strictSame(await all(tabs, async (tab) => await tab.signedOut()), [1, 1], 'once')
      server.refresh = fresh()
      await tabs[0]?.start()
      await until(() => server.to('/auth/refresh').length > asked + 1, 'after a new sign-in it starts again')
    })
  }

  const passing = {
    'a 429': { status: 429, headers: { 'retry-after': '60' } },
    'a 503': { status: 503, body: { status: 503, code: 'ERR_STORE' } },
    'a 500 that is no JSON': { status: 500 },
    'a 200 that is not of the service': { status: 200, body: { hello: 'world' } },
    'a 401 that is not final': refused('ERR_TOKEN_WRONG_USER'),
    'a 401 of something else': { status: 401 },
    'a connection that is cut': { status: 200, isCut: true }
  } as const
  for (const [title, answer] of Object.entries(passing)) {
    await t.test(`${title} signs nobody out, and is tried again later`, async (t) => {
      const server = new AuthServer()
      server.refresh = answer
      const { open, context } = await browse(t, await server.listen(t), { clock: 'running' })
      const tabs = [await open(), await open()]
      await tabs[0]?.start()
      await until(() => server.to('/auth/refresh').length >= 1, 'it is tried')
      t.equal(await tabs[1]?.refresh(), false)
      t.equal(await tabs[1]?.fetch(), 401, 'the refusal of a request is its answer')
      t.strictSame(await all(tabs, async (tab) => await tab.signedOut()), [0, 0])
      const before = server.to('/auth/refresh').length
      server.refresh = fresh()
      await context.clock.fastForward(title === 'a 429' ? 55_000 : 25_000)
      t.equal(server.to('/auth/refresh').length, before, 'not at once')
      await context.clock.fastForward(10_000)
      await until(() => server.to('/auth/refresh').length === before + 1, 'but later')
      t.strictSame(await all(tabs, async (tab) => await tab.signedOut()), [0, 0])
    })
  }

  await t.test('without a network nobody is signed out; when it is back the cookie is refreshed at once', async (t) => {
    const server = new AuthServer()
    const { open, context } = await browse(t, await server.listen(t))
    const tab = await open()
    await context.setOffline(true)
    await tab.start()
    t.equal(await tab.refresh(), false)
    t.equal(await tab.signedOut(), 0)
    t.equal(server.to('/auth/refresh').length, 0)
    await context.setOffline(false)
    await until(() => server.to('/auth/refresh').length === 1, 'it is refreshed')
    t.equal(await tab.fetch(), 200)
  })

  await t.test('logout is sent once, and every tab is told once', async (t) => {
    const server = new AuthServer()
    const { open, context } = await browse(t, await server.listen(t), { clock: 'running' })
    const tabs = [await open(), await open(), await open()]
    await all(tabs, async (tab) => { await tab.start() })
    t.strictSame(await all(tabs, async (tab) => await tab.refresh()), [true, true, true])
    const asked = server.to('/auth/refresh').length
    t.equal(await tabs[1]?.logout(), true)
    await until(async () => (await all(tabs, async (tab) => await tab.signedOut())).every((times) => times === 1), 'all are told')
    await context.clock.fastForward('01:00:00')
    t.strictSame(await all(tabs, async (tab) => await tab.signedOut()), [1, 1, 1])
    t.equal(server.to('/auth/logout').length, 1)
    t.equal(server.to('/auth/refresh').length, asked, 'nothing is refreshed any more')
  })

  await t.test('a logout that fails is said to have failed: nobody is told, and the tabs go on', async (t) => {
    const server = new AuthServer()
    const { open, context } = await browse(t, await server.listen(t), { clock: 'running' })
    const tabs = [await open(), await open()]
    await all(tabs, async (tab) => { await tab.start() })
    t.strictSame(await all(tabs, async (tab) => await tab.refresh()), [true, true])
    for (const failure of [{ status: 503 }, { status: 204, isCut: true as const }]) {
      server.logout = failure
      t.equal(await tabs[0]?.logout(), false)
    }
    t.strictSame(await all(tabs, async (tab) => await tab.signedOut()), [0, 0])
    const asked = server.to('/auth/refresh').length
    await context.clock.fastForward(781_000)
    await until(() => server.to('/auth/refresh').length > asked, 'it is refreshed')
  })

  await t.test('a logout waits for a refresh under way', async (t) => {
    const server = new AuthServer()
    const { open } = await browse(t, await server.listen(t))
    const [one, other] = [await open(), await open()]
    const held = gate()
    server.refresh = { ...fresh(), after: held.opened }
    const refreshed = one.refresh()
    await until(() => server.to('/auth/refresh').length === 1, 'a refresh is under way')
    const out = other.logout()
    await until(async () => (await one.locks()).waiting === 1, 'the logout waits')
    t.equal(server.to('/auth/logout').length, 0)
    held.open()
    t.strictSame(await Promise.all([refreshed, out]), [true, true])
    t.strictSame(server.received.map(({ path }) => path), ['/auth/refresh', '/auth/logout'])
  })
}
