import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { gate, until } from '../helpers/session-app.js'
import { AuthServer, fresh, refused } from './auth-server.js'
import { all, browse, hasChromium, startOnce } from './tabs.js'

t.test('the built module is under 2 KB gzipped, and imports nothing', async (t) => {
  const built = await readFile(join(import.meta.dirname, '../../dist/client/index.js'))
  t.ok(gzipSync(built, { level: 9 }).length < 2048, `${gzipSync(built, { level: 9 }).length} bytes`)
  t.notMatch(built.toString(), /\bimport\b|\brequire\b/)
})

if (hasChromium) {
  await t.test('tabs that start together refresh once', async (t) => {
    const server = new AuthServer()
    const { open } = await browse(t, await server.listen(t))
    const tabs = [await open(), await open(), await open(), await open()]
    const held = gate()
    server.refresh = { ...fresh(), after: held.opened }
    await all(tabs, async (tab) => { await tab.start() })
    await until(() => server.to('/auth/refresh').length === 1, 'one tab asks')
    const waiting = all(tabs, async (tab) => await tab.refresh())
    await until(async () => (await tabs[0]?.locks())?.waiting === 3, 'the others wait')
    held.open()
    t.strictSame(await waiting, [true, true, true, true], 'each has a fresh cookie')
    t.equal(server.to('/auth/refresh').length, 1)
  })

  await t.test('requests of one tab that are refused together refresh once, and are sent once more each', async (t) => {
    const server = new AuthServer()
    const { open } = await browse(t, await server.listen(t))
    const tab = await open()
    t.strictSame(await Promise.all([tab.fetch(), tab.fetch(), tab.fetch()]), [200, 200, 200])
    t.equal(server.to('/auth/refresh').length, 1)
    t.equal(server.to('/api').length, 6)
  })

  await t.test('requests of several tabs that are refused together refresh once', async (t) => {
    const server = new AuthServer()
    const { open } = await browse(t, await server.listen(t))
    const tabs = [await open(), await open(), await open()]
    const held = gate()
    server.refresh = { ...fresh(), after: held.opened }
    const answers = all(tabs, async (tab) => await tab.fetch())
    await until(() => server.to('/api').length === 3 && server.to('/auth/refresh').length === 1, 'all are refused')
    await until(async () => (await tabs[0]?.locks())?.waiting === 2, 'the others wait')
    held.open()
    t.strictSame(await answers, [200, 200, 200])
    t.equal(server.to('/auth/refresh').length, 1)
  })

  await t.test('a refused request is sent again with its body, and once', async (t) => {
    const server = new AuthServer()
    const { open } = await browse(t, await server.listen(t))
    const tab = await open()
    t.equal(await tab.fetch('/api/notes', { method: 'POST', body: 'a note' }), 200)
    t.strictSame(server.to('/api/notes').map(({ method, body }) => `${method} ${body}`), ['POST a note', 'POST a note'])
    server.refresh = () => { server.expire(); return { status: 200, body: { expires_in: 900 }, headers: { 'set-cookie': 'at=none; Path=/' } } }
    server.expire()
    t.equal(await tab.fetch('/api/refused'), 401, 'the second refusal is the answer')
    t.equal(server.to('/api/refused').length, 2)
    t.equal(await tab.signedOut(), 0)
  })

  await t.test('below baseUrl a 401 is an answer unless it is that of the guard: a wrong password is sent once', async (t) => {
    const server = new AuthServer()
    const { open } = await browse(t, await server.listen(t))
    const tab = await open()
    server.login = refused('ERR_CREDENTIALS')
    t.equal(await tab.fetch('/auth/login', { method: 'POST', body: '{"password":"wrong"}' }), 401)
    t.equal(server.to('/auth/login').length, 1)
    t.equal(server.to('/auth/refresh').length, 0)
    t.equal(await tab.fetch('/auth/me'), 200)
    t.equal(server.to('/auth/me').length, 2)
  })

  await t.test('a sign-in waits for a refresh under way, and a refresh for a sign-in', async (t) => {
    const server = new AuthServer()
    const { open } = await browse(t, await server.listen(t))
    const [one, other] = [await open(), await open()]
    const refreshing = gate()
    server.refresh = { ...fresh(), after: refreshing.opened }
    const refreshed = one.refresh()
    await until(() => server.to('/auth/refresh').length === 1, 'a refresh is under way')
    const signingIn = gate()
    server.login = { status: 200, body: {}, after: signingIn.opened }
    const signedIn = other.fetch('/auth/login', { method: 'POST', body: '{}' })
    await until(async () => (await one.locks()).waiting === 1, 'the sign-in waits')
    t.equal(server.to('/auth/login').length, 0)
    refreshing.open()
    await until(() => server.to('/auth/login').length === 1, 'the sign-in is under way')
    t.equal(await refreshed, true)
    const later = one.refresh()
    await until(async () => (await one.locks()).waiting === 1, 'the refresh waits')
    t.equal(server.to('/auth/refresh').length, 1)
    signingIn.open()
    t.equal(await signedIn, 200)
    t.equal(await later, true)
    t.equal(server.to('/auth/refresh').length, 2)
  })

  for (const [life, due] of [[900, 780], [720, 600], [300, 240], [5, 10]] as const) {
    await t.test(`a cookie that lives ${life} s is refreshed after ${due} s, whatever the wall clock says`, async (t) => {
      const server = new AuthServer()
      server.refresh = fresh(life)
      const { open, context } = await browse(t, await server.listen(t), { clock: 'standing' })
      const tab = await open()
      await startOnce(tab, server, context)
      for (const wall of ['2001-01-01', '2099-01-01']) await context.clock.setSystemTime(new Date(wall))
      await context.clock.fastForward(due * 1000 - 1)
      t.equal(server.to('/auth/refresh').length, 1, 'not before')
      await context.clock.fastForward(1)
      await until(() => server.to('/auth/refresh').length === 2, 'then')
      await tab.stop()
      await context.clock.fastForward('01:00:00')
      t.equal(server.to('/auth/refresh').length, 2, 'not after stop')
    })
  }

  await t.test('the tabs refresh once at each expiry, whichever does it', async (t) => {
    const server = new AuthServer()
    const { open, context } = await browse(t, await server.listen(t), { clock: 'running' })
    const tabs = [await open(), await open(), await open()]
    await all(tabs, async (tab) => { await tab.start() })
    t.strictSame(await all(tabs, async (tab) => await tab.refresh()), [true, true, true])
    const started = server.to('/auth/refresh').length
    for (let expiry = 1; expiry <= 5; expiry++) {
      const held = gate()
      server.refresh = { ...fresh(), after: held.opened }
      await context.clock.fastForward(781_000)
      await until(() => server.to('/auth/refresh').length === started + expiry, 'one tab asks')
      await until(async () => (await tabs[0]?.locks())?.waiting === 2, 'the others wait')
      held.open()
      await until(async () => (await tabs[0]?.locks())?.held === 0, 'all are done')
      t.equal(server.to('/auth/refresh').length, started + expiry)
    }
  })

  await t.test('a page that wakes up refreshes, but not within 10 s of an answer', async (t) => {
    const server = new AuthServer()
    const { open, context } = await browse(t, await server.listen(t), { clock: 'standing' })
    const tab = await open()
    await startOnce(tab, server, context)
    let count = 1
    const isRefreshed = async (): Promise<void> => {
      await until(() => server.to('/auth/refresh').length === count + 1, 'it is refreshed')
      await until(async () => (await tab.locks()).held === 0, 'it is done')
      count++
    }
    for (const event of ['online', 'visibilitychange'] as const) {
      await tab.wake(event)
      await context.clock.fastForward(9_999)
      t.equal(server.to('/auth/refresh').length, count, `${event}: not at once`)
      await context.clock.fastForward(1)
      await isRefreshed()
      await context.clock.fastForward(10_000)
      t.equal(server.to('/auth/refresh').length, count, `${event}: once`)
      await tab.wake(event)
      await context.clock.fastForward(1)
      await isRefreshed()
    }
  })

  await t.test('a page that is hidden does not wake up', async (t) => {
    const server = new AuthServer()
    const { open, context } = await browse(t, await server.listen(t), { clock: 'standing' })
    const tab = await open()
    await startOnce(tab, server, context)
    await context.clock.fastForward(60_000)
    await tab.page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
    await tab.wake('visibilitychange')
    await context.clock.fastForward(60_000)
    t.equal(await tab.fetch(), 200)
    t.equal(server.to('/auth/refresh').length, 1)
  })

  await t.test('without Web Locks each tab refreshes for itself, its own requests once', async (t) => {
    const server = new AuthServer()
    const { open } = await browse(t, await server.listen(t), { before: "Object.defineProperty(navigator, 'locks', { value: undefined })" })
    const tabs = [await open(), await open()]
    for (const tab of tabs) t.strictSame(await Promise.all([tab.fetch(), tab.fetch(), tab.refresh()]), [200, 200, true])
    t.ok(server.to('/auth/refresh').length <= 2)
    t.equal(await tabs[0]?.logout(), true)
    await until(async () => (await all(tabs, async (tab) => await tab.signedOut())).every((times) => times === 1), 'all are told')
  })

  await t.test('a service on another origin gets its cookies; no other origin gets any, or a refresh', async (t) => {
    const [pages, service, stranger] = [new AuthServer(), new AuthServer(), new AuthServer()]
    const [pagesUrl, serviceUrl, strangerUrl] = [await pages.listen(t), await service.listen(t), await stranger.listen(t)]
    service.trusted = stranger.trusted = pagesUrl
    const { open } = await browse(t, pagesUrl)
    const tab = await open({ baseUrl: `${serviceUrl}/auth/` })
    t.equal(await tab.fetch(`${serviceUrl}/api`), 200)
    t.equal(service.to('/auth/refresh').length, 1, 'a slash at the end of baseUrl makes no difference')
    t.equal(await tab.fetch(`${strangerUrl}/api`), 401)
    t.equal(stranger.to('/api')[0]?.cookie, '')
    t.equal(stranger.to('/api').length, 1)
    t.equal(service.to('/auth/refresh').length, 1)
    t.equal(await tab.logout(), true)
    t.match(service.to('/auth/logout'), [{ cookie: /at=1/ }])
  })
}
