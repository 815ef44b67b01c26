import { chromium } from 'playwright-core'
import t from 'tap'
import { migrate } from '../../src/stores/postgres/migrate.js'
import { freshDatabase } from '../helpers/database.js'
import { startProcess, untilStatus } from '../helpers/service-process.js'

const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
const hasChromium = !(process.env['SILVERBACK_TEST_WITHOUT'] ?? '').split(',').includes('chromium')

if (hasChromium) {
  await t.test('a browser keeps its session across pages and a restart, and cannot read the cookie', async (t) => {
    const { connectionString, pool } = await freshDatabase(t, { prepare: async (connectionString) => await migrate({ connectionString }) })
    const dataDir = t.testdir({})
    const first = await startProcess(t, { DATABASE_URL: connectionString, DATA_DIR: dataDir })
    await untilStatus(`${first.url}/readyz`, 200)
    const { port } = new URL(first.url)
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS })
    t.teardown(async () => { await browser.close() })
    const page = await browser.newPage({ bypassCSP: true })
    const faults: string[] = []
    page.on('pageerror', (error) => { faults.push(String(error)) }).on('console', (message) => { if (message.type() === 'error') faults.push(message.text()) })

    await page.goto(first.url)
    t.match(await page.textContent('h1'), /stranger/)
    t.strictSame(await page.context().cookies(), [], 'a visitor gets no cookie')
    const patch = async (key: string): Promise<number> => await page.evaluate(async (key) => {
      const answer = await fetch('/session', { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ set: { [key]: true } }) })
      return answer.status
    }, key)
    t.equal(await patch('first'), 200)
    t.equal(await page.evaluate('document.cookie'), '', 'scripts cannot read it')
    t.match(await page.context().cookies(), [{ name: 'sid', httpOnly: true, sameSite: 'Lax', path: '/' }])
    await page.goto(first.url)
    await page.reload()
    t.match(await page.textContent('dd'), /^2$/, 'visits are counted once there is a session')

    first.child.kill('SIGKILL')
    await first.exited
    const second = await startProcess(t, { DATABASE_URL: connectionString, DATA_DIR: dataDir, PORT: port })
    await untilStatus(`${second.url}/readyz`, 200)
    await page.goto(second.url)
    t.match(await page.textContent('dd'), /^3$/)
    t.equal((await pool.query('SELECT 1 FROM sessions')).rowCount, 1, 'one row for all of it')
    t.strictSame(faults, [], 'no error in the page')
  })

  await t.test('cross-site: a page of another origin can neither change nor end the session', async (t) => {
    const { connectionString } = await freshDatabase(t, { prepare: async (connectionString) => await migrate({ connectionString }) })
    const env = { DATABASE_URL: connectionString, DATA_DIR: t.testdir({}) }
    const [victim, attacker] = await Promise.all([startProcess(t, env), startProcess(t, env)])
    await Promise.all([victim, attacker].map(async ({ url }) => await untilStatus(`${url}/readyz`, 200)))
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS })
    t.teardown(async () => { await browser.close() })
    const page = await browser.newPage({ bypassCSP: true })
    await page.goto(victim.url)
    await page.evaluate(async () => {
      await fetch('/session', { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{"set":{"mine":true}}' })
    })
    // the same host on another port: same-site, so that SameSite lets the cookie go along, but another origin
    await page.goto(attacker.url)
    const refused = page.waitForResponse((answer) => answer.request().method() === 'POST')
    await page.setContent(`<form method="post" action="${victim.url}/session?_method=DELETE" enctype="text/plain"><input name="set" value="x"></form>`)
    await page.evaluate('document.forms[0].submit()')
    t.ok((await refused).status() >= 400, 'a form')
    await page.waitForURL(/_method=DELETE/)
    for (const method of ['DELETE', 'PATCH']) {
      await page.goto(attacker.url)
      const ended = await page.evaluate(async ([url = '', method = '']) => {
        return await fetch(`${url}/session`, { method, credentials: 'include' }).then(({ status }) => status, () => 'refused by the browser')
      }, [victim.url, method])
      t.equal(ended, 'refused by the browser', method)
    }
    const cookie = (await page.context().cookies(victim.url)).map(({ name, value }) => `${name}=${value}`).join('; ')
    const direct = await fetch(`${victim.url}/session`, { method: 'DELETE', headers: { cookie, 'sec-fetch-site': 'same-site', origin: attacker.url } })
    t.match(await direct.json(), { status: 403, code: 'ERR_CROSS_SITE' }, 'were it not for the browser')
    await page.goto(`${victim.url}/session`)
    t.match(JSON.parse(await page.textContent('pre') ?? ''), { isNew: false, values: { mine: true } })
  })
}
