import axe from 'axe-core'
import type pg from 'pg'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import t from 'tap'
import type { Test } from 'tap'
import { openServiceOnPostgres } from '../helpers/service-app.js'

const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
const hasChromium = !(process.env['SILVERBACK_TEST_WITHOUT'] ?? '').split(',').includes('chromium')
const PASSWORD = 'correct horse battery staple'
const ROOT = 'root@example.com'
/** Counts of each half hour of the last two days, such that every plot has something to show. */
const SEED = `INSERT INTO stats (name, bucket, value)
  SELECT name, date_bin('30 minutes', now(), 'epoch') - n * interval '30 minutes', 1 + (n * weight) % 17
  FROM generate_series(0, 96) AS n, (VALUES ('live_sessions', 3), ('sign_ins', 5), ('sign_ins_refused', 2), ('refresh_rotate', 7), ('refresh_replay', 1),
    ('refresh_early', 4), ('refresh_straggler', 6), ('refresh_refused', 8), ('alarms', 9)) AS s (name, weight)
  WHERE name <> 'live_sessions' OR n NOT BETWEEN 10 AND 14 ON CONFLICT DO NOTHING`

const VIEWPORT = { width: 1280, height: 900 }
let browser: Browser
/** One for all tests of the file, with an administrator who has signed in. */
let service: { readonly url: string, readonly pool: pg.Pool, readonly cookies: Awaited<ReturnType<BrowserContext['cookies']>> }

/** Somebody at a browser of their own, without scripts unless a test needs some. */
async function visit (t: Test, { hasScripts = false } = {}): Promise<Page> {
  const context = await browser.newContext({ javaScriptEnabled: hasScripts, viewport: VIEWPORT })
  t.teardown(async () => { await context.close() })
  context.setDefaultTimeout(20_000)
  return await context.newPage()
}

async function register (page: Page, url: string, email: string): Promise<void> {
  await page.goto(`${url}/register`)
  await page.fill('#email', email)
  await page.fill('#password', PASSWORD)
  await page.fill('#repeat', PASSWORD)
  await page.click('main form .button')
}

if (hasChromium) {
  const [opened, { app, pool }] = await Promise.all([chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS }), openServiceOnPostgres(t, { env: { ADMIN_EMAILS: ROOT } })])
  browser = opened
  t.teardown(async () => { await browser.close() })
  const url = await app.listen({ port: 0 })
  await pool.query(SEED)
  const root = await visit(t)
  await register(root, url, ROOT)
  service = { url, pool, cookies: await root.context().cookies() }
}

/** The administrator, and a user of the test's own. */
async function open (t: Test, email: string, options: { hasScripts?: boolean } = {}) {
  const [root, ann] = await Promise.all([visit(t, options), visit(t)])
  await Promise.all([root.context().addCookies(service.cookies), register(ann, service.url, email)])
  return { ...service, root, ann }
}

/** Where the test that follows looks for the session of a user, without a script. */
async function findSession (page: Page, url: string, email: string): Promise<void> {
  await page.goto(`${url}/admin`)
  await page.fill('#q', email)
  await page.click('form[role=search] .button')
  await page.click('tbody tr:first-child td:last-child a')
}

async function act (page: Page, label: string, yes: string, reason?: string): Promise<void> {
  await page.click(`summary:has-text("${label}")`)
  if (reason !== undefined) await page.fill('#reason', reason)
  await page.click(`button:has-text("${yes}")`)
}

const notice = async (page: Page): Promise<string | null> => await page.textContent('.notice')

if (hasChromium) {
  t.test('an administrator blocks a session, whose next page is the sign-in page, and unblocks it; the story says who', async (t) => {
    const { url, root, ann, pool } = await open(t, 'ann@example.com')
    await findSession(root, url, 'ann@')
    t.match(await root.textContent('main .badge'), 'Live')
    await act(root, 'Block', 'Yes, block it', 'two continents')
    t.match(await notice(root), 'The session is blocked')
    t.match(await root.textContent('.lead'), 'Blocked: two continents')
    await ann.goto(`${url}/account/sessions`)
    t.equal(ann.url(), `${url}/login?next=%2Faccount%2Fsessions`)
    await act(root, 'Unblock', 'Yes, unblock it')
    t.match(await notice(root), 'The session goes on')
    await ann.goto(`${url}/account/sessions`)
    t.equal(ann.url(), `${url}/account/sessions`)
    const lines = await root.locator('.story li').allTextContents()
    t.equal(lines.length, 3)
    t.match(lines, [/^The user signed in, with Chrome on Linux.*from 127\.0\.0\.1/, /^Blocked by an administrator: two continents.*by root@example\.com/, /^The block was lifted by an administrator.*by root@example\.com/])
    await act(root, 'End', 'Yes, end it')
    t.match(await root.textContent('main .badge'), 'Gone')
    t.match(await root.textContent('.lead'), 'Ended by an administrator')
    t.equal(await root.locator('form:not(.menu form)').count(), 0, 'nothing more can be done to it')
    await ann.goto(`${url}/account/sessions`)
    t.match(ann.url(), '/login')
    const gone = root.url()
    await root.goto(`${url}/admin/find?q=${gone.split('/').at(-1) ?? ''}`)
    await root.click('text=Its story')
    t.equal(root.url(), gone, 'a session that is gone is found by its id')
    t.match((await pool.query("SELECT kind FROM session_events WHERE kind LIKE '%ByAdmin' ORDER BY id")).rows, [{ kind: 'blockedByAdmin' }, { kind: 'unblockedByAdmin' }, { kind: 'endedByAdmin' }])
  })

  t.test('an administrator signs a user out, disables and enables them', async (t) => {
    const { url, root, ann } = await open(t, 'bea@example.com')
    await root.goto(`${url}/admin/find?q=BEA`)
    await root.click('.people a')
    await act(root, 'Sign out everywhere', 'Yes, sign them out')
    t.equal((await notice(root))?.trim(), 'The user is signed out. One session has ended.')
    const signIn = async (): Promise<string | null> => {
      await ann.goto(`${url}/login`)
      await ann.fill('#email', 'bea@example.com')
      await ann.fill('#password', PASSWORD)
      await ann.click('main form .button')
      return await ann.textContent('main')
    }
    t.notMatch(await signIn(), 'is not right')
    await act(root, 'Disable', 'Yes, disable the user')
    t.match(await root.textContent('main .badge'), 'Disabled')
    t.match(await signIn(), 'is not right')
    await root.goto(`${url}/admin/find?q=bea@example.com`)
    await root.click('text=bea@example.com')
    await act(root, 'Enable', 'Yes, enable the user')
    t.notMatch(await signIn(), 'is not right')
    await root.reload()
    t.match(await root.locator('tbody').last().textContent(), /An administrator enabled the user.*root@example\.com/s)
  })

  t.test('no page for administrators violates a rule of accessibility or scrolls sideways, light or dark', async (t) => {
    const { url, root } = await open(t, 'cleo@example.com', { hasScripts: true }) // of the rules' own program: the pages have none
    await findSession(root, url, 'cleo@')
    const session = root.url()
    await root.click('dd a')
    const user = root.url()
    for (const page of [`${url}/admin`, `${url}/admin/find`, `${url}/admin/find?q=nobody`, session, user]) {
      await root.goto(page)
      await root.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true })")
      await root.evaluate(axe.source)
      for (const [width, colorScheme] of [[1280, 'light'], [320, 'dark']] as const) {
        await root.setViewportSize({ width, height: 900 })
        await root.emulateMedia({ colorScheme })
        const { violations } = await root.evaluate(async () => await Reflect.get(globalThis, 'axe').run()) as axe.AxeResults
        t.strictSame(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`), [], `${page} ${width} ${colorScheme}`)
        t.ok(await root.evaluate('document.documentElement.scrollWidth <= innerWidth'), `${page} at ${width} pixels`)
      }
    }
  })

  t.test('the range of the plots is chosen by a link, and the figures open without a script', async (t) => {
    const { url, root } = await open(t, 'dot@example.com')
    await root.goto(`${url}/admin`)
    t.equal(await root.locator('svg[role=img]').count(), 4)
    await root.click('text=7 days')
    t.equal(root.url(), `${url}/admin?range=7d`)
    t.equal(await root.textContent('[aria-current=true]'), '7 days')
    t.equal(await root.locator('#alarms table').isVisible(), false)
    await root.click('#alarms summary')
    t.equal(await root.locator('#alarms table').isVisible(), true)
    t.ok(await root.locator('#alarms tbody tr').count() >= 56)
  })
}
