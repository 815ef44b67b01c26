/** People at Chromium before the service as it is built and started. */

import { chromium } from 'playwright-core'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import t from 'tap'
import type { Test } from 'tap'
import { freshDatabase } from '../helpers/database.js'
import { startProcess, untilStatus } from '../helpers/service-process.js'

const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

export const hasChromium = !(process.env['SILVERBACK_TEST_WITHOUT'] ?? '').split(',').includes('chromium')

export const PASSWORD = 'correct horse battery'
export const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'
export const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1'

let launched: Promise<Browser> | undefined
let started: Promise<string> | undefined

/** One for all tests of a file. */
async function theBrowser (): Promise<Browser> {
  return await (launched ??= chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS }).then((browser) => {
    t.teardown(async () => { await browser.close() })
    return browser
  }))
}

/** Where the service is: one for all tests of a file. */
export async function theService (): Promise<string> {
  return await (started ??= (async () => {
    const { connectionString } = await freshDatabase(t)
    const { url } = await startProcess(t, { DATABASE_URL: connectionString, DATA_DIR: t.testdir({}), RATE_LIMIT: 'off' })
    await untilStatus(`${url}/readyz`, 200)
    return url
  })())
}

/** Somebody at a device of their own. What a page complains about fails the test, but for an answer that is a refusal. */
export class Person {
  readonly page: Page
  readonly context: BrowserContext
  readonly url: string

  private constructor (page: Page, url: string) {
    this.page = page
    this.context = page.context()
    this.url = url
  }

  static async arrive (t: Test, options: BrowserContextOptions = {}): Promise<Person> {
    const [browser, url] = await Promise.all([theBrowser(), theService()])
    const context = await browser.newContext(options)
    t.teardown(async () => { await context.close() })
    const page = await context.newPage()
    page.on('pageerror', (error) => { t.fail(String(error)) })
    page.on('console', (message) => { if (message.type() === 'error' && !message.text().startsWith('Failed to load resource: the server responded with a status of 4')) t.fail(message.text()) })
    return new Person(page, url)
  }

  async open (path: string): Promise<void> { await this.page.goto(this.url + path) }

  /** Where they are. */
  get path (): string { return this.page.url().slice(this.url.length) }

  async heading (): Promise<string> { return await this.page.locator('h1').innerText() }
  async notice (): Promise<string> { return await this.page.locator('.notice').innerText() }

  /** Fills in fields by their labels, and presses a button by its name. */
  async fillIn (fields: Readonly<Record<string, string>>, button: string): Promise<void> {
    for (const [label, text] of Object.entries(fields)) await this.page.getByLabel(label, { exact: true }).fill(text)
    await this.page.getByRole('main').getByRole('button', { name: button, exact: true }).click()
  }

  async register (email: string): Promise<void> {
    await this.open('/register')
    await this.fillIn({ 'E-mail address': email, Password: PASSWORD, 'The password again': PASSWORD }, 'Register')
  }

  async signIn (email: string, password = PASSWORD): Promise<void> {
    await this.open('/login')
    await this.fillIn({ 'E-mail address': email, Password: password }, 'Sign in')
  }

  /** The devices that the page lists, each with its first line. */
  async devices (): Promise<string[]> {
    await this.open('/account/sessions')
    return (await this.page.locator('.device h2').allInnerTexts()).map((text) => text.replace(/\s+/g, ' ').trim())
  }
}
