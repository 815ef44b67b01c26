import { chromium } from 'playwright-core'
import t from 'tap'
import { hasChromium } from '../client/tabs.js'
import { openService } from '../helpers/service-app.js'

if (hasChromium) {
  t.test('the page of the API works under its policy: nothing is refused, nothing comes from elsewhere', async (t) => {
    const app = await openService(t)
    const origin = await app.listen({ port: 0, host: '127.0.0.1' })
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] })
    t.teardown(async () => { await browser.close() })
    const page = await browser.newPage()
    page.on('console', (message) => { if (message.type() !== 'log') t.fail(message.text()) })
    page.on('pageerror', (error) => { t.fail(String(error)) })
    page.on('request', (request) => { t.ok(request.url().startsWith(origin) || request.url().startsWith('data:'), request.url()) })
    page.on('response', (response) => { t.ok(response.status() < 400, response.url()) })
    for (const path of ['/docs', '/docs/']) {
      await page.goto(`${origin}${path}`)
      const login = page.locator('#operations-Sign-in-login')
      await login.locator('.opblock-summary-control').click()
      await login.getByText('ERR_CREDENTIALS').first().waitFor()
    }
    const readyz = page.locator('#operations-Operation-readyz')
    await readyz.locator('.opblock-summary-control').click()
    await readyz.locator('.try-out__btn').click()
    await readyz.locator('.execute').click()
    await readyz.locator('.live-responses-table').getByText('"warnings"').waitFor()
    await page.locator('.authorize').first().click()
    await page.getByText('refreshCookie').waitFor()
  })
}
