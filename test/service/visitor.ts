/** Somebody with a browser that runs no script: keeps cookies, reads pages, fills in their forms. */

import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { Browser } from '../helpers/session-app.js'

export const BROWSER_ACCEPT = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
export const EMAIL = 'ada@example.com'
export const PASSWORD = 'correct horse battery'

type Answer = Promise<LightMyRequestResponse>
type Fields = Readonly<Record<string, string>>

export class Visitor {
  readonly browser: Browser
  readonly #headers: Record<string, string>

  constructor (app: FastifyInstance, userAgent = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0') {
    this.browser = new Browser(app)
    this.#headers = { accept: BROWSER_ACCEPT, 'user-agent': userAgent }
  }

  async open (url: string): Answer {
    return await this.browser.get(url, { headers: this.#headers })
  }

  /** The body of a form alone, without a page. */
  async post (url: string, fields: Fields | string, headers: Record<string, string> = {}): Answer {
    const payload = typeof fields === 'string' ? fields : new URLSearchParams(fields).toString()
    return await this.browser.post(url, { headers: { ...this.#headers, 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin', ...headers }, payload })
  }

  /** Opens a page and sends its form, with what is hidden in it. */
  async submit (page: string, fields: Fields, action = page.split('?', 1)[0] ?? page): Answer {
    const { body } = await this.open(page)
    return await this.post(action, { ...hiddenIn(body, action), ...fields })
  }

  /** The token of the forms of a page. */
  async token (page: string): Promise<string> {
    return hiddenIn((await this.open(page)).body, page)['_csrf'] ?? ''
  }

  async register (email = EMAIL, password = PASSWORD): Answer {
    return await this.submit('/register', { email, password, repeat: password })
  }

  async signIn (email = EMAIL, password = PASSWORD, more: Fields = {}): Answer {
    return await this.submit('/login', { email, password, ...more })
  }
}

/** The hidden fields of the first form with this action; where there is none, the token of the page, which is one for all its forms. */
export function hiddenIn (body: string, action: string): Record<string, string> {
  const [form = ''] = (body.split(`action="${action}"`)[1] ?? body).split('</form>')
  return Object.fromEntries([...form.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)].map(([, name = '', value = '']): [string, string] => [name, value]))
}

/** The text of a page: tags away, blanks joined. */
export const textOf = (body: string): string => body.replace(/<(?:head|style)[^]*?<\/(?:head|style)>/g, '').replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ')
