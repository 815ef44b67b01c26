/** Tabs of one browser, each with a client. */

import { chromium } from 'playwright-core'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { until } from '../helpers/session-app.js'
import type { AuthServer } from './auth-server.js'

const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

export const hasChromium = !(process.env['SILVERBACK_TEST_WITHOUT'] ?? '').split(',').includes('chromium')

const NOON = Date.parse('2035-06-01T12:00:00Z')

/** What the page has, beside what every page has. */
interface Scope {
  client: {
    fetch: (url: string, init?: object) => Promise<Response>
    refreshCookie: () => Promise<boolean>
    start: () => void
    stop: () => void
    logout: () => Promise<boolean>
  }
  signedOut: number
}

/** Runs in the page. */
export type InPage<T> = (scope: Scope) => T | Promise<T>

export class Tab {
  readonly page: Page
  constructor (page: Page) { this.page = page }

  /** Calls a function with the page's own scope; it must not use anything from outside itself. */
  async run<T> (work: InPage<T>): Promise<T> {
    return await this.page.evaluate(`(${work.toString()})(globalThis)`)
  }

  async start (): Promise<void> { await this.run(({ client }) => { client.start() }) }
  async stop (): Promise<void> { await this.run(({ client }) => { client.stop() }) }
  async refresh (): Promise<boolean> { return await this.run(({ client }) => client.refreshCookie()) }
  async logout (): Promise<boolean> { return await this.run(({ client }) => client.logout()) }
  /** Resolves to the status. */
  async fetch (url = '/api', init: object = {}): Promise<number> {
    return await this.page.evaluate(`client.fetch(${JSON.stringify(url)}, ${JSON.stringify(init)}).then((answer) => answer.status)`)
  }

  /** As the browser does when its network is back, or the page is seen again. */
  async wake (event: 'online' | 'visibilitychange'): Promise<void> {
    await this.page.evaluate(`${event === 'online' ? 'globalThis' : 'document'}.dispatchEvent(new Event('${event}'))`)
  }

  /** How many tabs of the browser have the lock or wait for it. */
  async locks (): Promise<{ held: number, waiting: number }> {
    return await this.page.evaluate('navigator.locks.query().then(({ held, pending }) => ({ held: held.length, waiting: pending.length }))')
  }

  /** How often the page was told that nobody is signed in. */
  async signedOut (): Promise<number> { return await this.run(({ signedOut }) => signedOut) }
}

export interface Browsing {
  readonly context: BrowserContext
  open: (options?: { url?: string, baseUrl?: string }) => Promise<Tab>
}

let launched: Promise<Browser> | undefined
/** One for all tests of a file: each has its own cookies, lock and channel. */
async function theBrowser (): Promise<Browser> {
  launched ??= chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS }).then((browser) => {
    t.teardown(async () => { await browser.close() })
    return browser
  })
  return await launched
}

/** @param options `clock`: time can be moved, and with `standing` does not move by itself; `before`: runs in each page before all else */
export async function browse (t: Test, url: string, options: { clock?: 'running' | 'standing', before?: string } = {}): Promise<Browsing> {
  const context = await (await theBrowser()).newContext()
  t.teardown(async () => { await context.close() })
  if (options.clock !== undefined) await context.clock.install({ time: NOON })
  if (options.clock === 'standing') await context.clock.pauseAt(NOON + 1_000)
  if (options.before !== undefined) await context.addInitScript(options.before)
  return {
    context,
    async open ({ url: at = url, baseUrl = '/auth' } = {}) {
      const page = await context.newPage()
      page.on('pageerror', (error) => { t.fail(String(error)) })
      await page.goto(at)
      await page.evaluate(`(async () => {
        const { createClient } = await import('/client.js')
        globalThis.signedOut = 0
        globalThis.client = createClient({ baseUrl: ${JSON.stringify(baseUrl)}, onSignedOut: () => { globalThis.signedOut++ } })
      })()`)
      return new Tab(page)
    }
  }
}

export const all = async <T>(tabs: readonly Tab[], work: (tab: Tab) => Promise<T>): Promise<T[]> => await Promise.all(tabs.map(work))

/** Starts a client whose clock stands still, and waits for its first refresh. */
export async function startOnce (tab: Tab, server: AuthServer, context: BrowserContext): Promise<void> {
  await tab.start()
  await context.clock.runFor(1)
  await until(() => server.to('/auth/refresh').length === 1, 'it is refreshed')
  await until(async () => (await tab.locks()).held === 0, 'it is done')
}
