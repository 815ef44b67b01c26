/** Tabs of one browser before two services, and a network between them whose delays and losses are drawn by a seed. */

import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { browse, type Tab } from '../client/tabs.js'
import { openHeldProxy, type HeldProxy, type HeldRequest } from './held-proxy.js'
import { gate, until } from './session-app.js'
import { age, openPair, PASSWORD, type Pair } from './token-client.js'

export const TABS = 6
export const REFRESH = '/auth/refresh'
/** Behind `requireAuth`: the access cookie confirms. */
export const ACCESS = '/auth/me'

/** Seconds of the database's time. */
export interface Delays {
  /** The longest way of a request. */
  readonly way: number
  /** The longest way of a request and its answer. */
  readonly trip: number
}

/** What a tab does next. */
export type Action = 'refresh' | 'access'

/** How often each thing happened: how requests were judged, and what became of messages. */
export interface Tally {
  rotations: number
  replays: number
  early: number
  stragglers: number
  access: number
  lostRequests: number
  lostAnswers: number
  /** Cut after the head, which sets cookies. */
  tornAnswers: number
  /** Answers that went before one that a service had given earlier. */
  overtaking: number
  /** Requests that reached the services together with others. */
  atOnce: number
}

type Fate = 'answered' | 'lostRequests' | 'lostAnswers' | 'tornAnswers'
const FATES: readonly Fate[] = [...Array.from({ length: 13 }, () => 'answered' as const), 'lostRequests', 'lostRequests', 'lostRequests', 'lostAnswers', 'lostAnswers', 'lostAnswers', 'tornAnswers']
/** Of the tabs' common rest: longer than R, so that all present a token that is due. */
const PERIOD = 100

/** Something that has its instant. */
interface Due { readonly at: number, readonly isArrival: boolean, readonly run: () => Promise<void> }

/** Otherwise the browser's cache lets a tab wait for the answer that another has asked for. */
const UNCACHED = "{ cache: 'no-store' }"

/** How tabs do what they are to do. */
export interface Pages {
  /** Settles when the tab knows the outcome. */
  readonly act: (tab: Tab, action: Action) => Promise<unknown>
  /** Whether a tab may wait for another before it sends anything. */
  readonly haveLock: boolean
}

/** Each refreshes by itself. */
export const ALONE: Pages = {
  haveLock: false,
  act: async ({ page }, action) => {
    const request = action === 'refresh' ? `'${REFRESH}', { method: 'POST' }` : `'${ACCESS}', ${UNCACHED}`
    await page.evaluate(`fetch(${request}).then((answer) => answer.text()).catch(() => '')`)
  }
}

/** They use `silverback/client`. */
export const WITH_CLIENT: Pages = {
  haveLock: true,
  act: async (tab, action) => {
    if (action === 'refresh') await tab.refresh()
    else await tab.page.evaluate(`client.fetch('${ACCESS}', ${UNCACHED}).then((answer) => answer.text()).catch(() => '')`)
  }
}

export interface TabNetworkOptions {
  /** R and W of the services, in seconds. */
  readonly rules: { readonly R: number, readonly W: number }
  readonly delays: Delays
  readonly pages: Pages
  readonly seed: number
}

/**
 * Seconds pass by moving the rows of the session, never by waiting. Everything that happens has its instant, a whole
 * second; requests with the same one reach the services at once. What is drawn does not depend on what services answer.
 */
export class TabNetwork {
  readonly tabs: readonly Tab[]
  readonly pair: Pair
  readonly tally: Tally = { rotations: 0, replays: 0, early: 0, stragglers: 0, access: 0, lostRequests: 0, lostAnswers: 0, tornAnswers: 0, overtaking: 0, atOnce: 0 }
  /** What the services judged, a line each. */
  readonly history: string[] = []
  /** Answers other than 200. */
  readonly refused: string[] = []
  /** The longest that there were, in seconds, with the time that the machine took. */
  readonly longest = { way: 0, trip: 0 }
  /** The newest that a service has given. */
  generation = 1
  readonly #sessionId: string
  readonly #proxy: HeldProxy
  readonly #pages: Pages
  readonly #delays: Delays
  readonly #draw: (below: number) => number
  readonly #queue: Due[] = []
  /** Tabs that wait for something, and those that have something planned. */
  readonly #busy = new Set<Tab>()
  readonly #planned = new Set<Tab>()
  readonly #held = new Set<HeldRequest>()
  /** Judged and not delivered, in the order of the judgements. */
  readonly #judged = new Set<HeldRequest>()
  #at = 0
  #moved = -performance.now() / 1000
  /** Of that, what the rows do not say yet: the services look at them only when a request arrives. */
  #owed = 0
  /** Opened when a tab has done something. */
  #stirred = gate()
  #isOver = (): boolean => false

  private constructor ({ delays, pages, seed }: TabNetworkOptions, { proxy, pair, tabs, sessionId }: { proxy: HeldProxy, pair: Pair, tabs: readonly Tab[], sessionId: string }) {
    this.tabs = tabs
    this.pair = pair
    this.#sessionId = sessionId
    this.#proxy = proxy
    this.#pages = pages
    this.#delays = delays
    this.#draw = drawsOf(seed)
    proxy.onArrival = () => { this.#stirred.open() }
  }

  /** Opens the tabs, and signs Ada in by the first, with cookies. */
  static async open (t: Test, options: TabNetworkOptions): Promise<TabNetwork> {
    const { R, W } = options.rules
    const pair = await openPair(t, { REFRESH_MIN_AGE: String(R), REFRESH_STRAGGLER_WINDOW: String(W) })
    const proxy = await openHeldProxy(t, {
      service: pair.a.url,
      holds: [REFRESH, ACCESS],
      pages: {
        '/': ['text/html', '<!doctype html><title>a tab</title><link rel="icon" href="data:,">'],
        '/client.js': ['text/javascript', await readFile(join(import.meta.dirname, '../../dist/client/index.js'), 'utf8')]
      }
    })
    const { open } = await browse(t, proxy.url)
    const first = await open()
    const tabs = [first]
    while (tabs.length < TABS) tabs.push(await open())
    const user = JSON.stringify({ email: 'ada@example.com', password: PASSWORD, transport: 'cookie' })
    const sessionId: string = await first.page.evaluate(`
      fetch('/auth/register', { method: 'POST', headers: { 'content-type': 'application/json' }, body: ${JSON.stringify(user)} })
        .then((answer) => answer.json()).then(({ session }) => session.id)`)
    return new TabNetwork(options, { proxy, pair, tabs, sessionId })
  }

  /** Keeps the tabs busy until this generation is reached or an answer was refused, then lets what is under way end. */
  async run (generation: number): Promise<void> {
    this.#isOver = () => this.generation >= generation || this.refused.length > 0
    await this.#quiet()
    for (;;) {
      this.#at = this.#queue.reduce((least, { at }) => Math.min(least, at), Infinity)
      if (this.#at === Infinity) return
      this.#move()
      const due = this.#queue.filter(({ at }) => at === this.#at)
      for (const one of due) this.#queue.splice(this.#queue.indexOf(one), 1)
      const arrivals = due.filter(({ isArrival }) => isArrival)
      if (arrivals.length > 0) await this.#pay()
      if (arrivals.length > 1) this.tally.atOnce += arrivals.length
      for (const { run } of due.filter(({ isArrival }) => !isArrival)) await run()
      await Promise.all(arrivals.map(async ({ run }) => { await run() }))
    }
  }

  /** The database's time, from a beginning of its own. */
  #now (): number {
    return this.#moved + performance.now() / 1000
  }

  #move (): void {
    const seconds = Math.max(0, this.#at - this.#now())
    this.#moved += seconds
    this.#owed += seconds
  }

  async #pay (): Promise<void> {
    const seconds = this.#owed
    this.#owed = 0
    await age(this.pair.pool, this.#sessionId, seconds)
  }

  #later (after: number, run: Due['run'], isArrival = false): void {
    this.#queue.push({ at: this.#at + after, isArrival, run })
  }

  /** Most often all tabs wake together, as those of a machine that has slept. */
  #plan (tab: Tab): void {
    const pause = this.#draw(4) === 0 ? this.#draw(PERIOD) : PERIOD - this.#at % PERIOD + this.#draw(20)
    const action = this.#draw(5) < 3 ? 'refresh' : 'access'
    this.#planned.add(tab)
    this.#later(pause, async () => {
      this.#planned.delete(tab)
      this.#busy.add(tab)
      const end = (): void => {
        this.#busy.delete(tab)
        this.#stirred.open()
      }
      void this.#pages.act(tab, action).then(end, end)
      await this.#quiet()
    })
  }

  /** Waits until every tab is idle, waits for the lock of one that is not, or has its request in the proxy's hands. */
  async #quiet (): Promise<void> {
    for (;;) {
      this.#stirred = gate()
      for (const request of this.#proxy.take()) this.#receive(request)
      const others = this.#busy.size - this.#held.size
      if (others === 0 || (this.#held.size > 0 && await this.#waiting() === others)) break
      // Nobody tells that a tab has come to wait for the lock.
      if (!this.#pages.haveLock || this.#held.size === 0) await this.#stirred.opened
    }
    for (const tab of this.tabs) {
      if (!this.#busy.has(tab) && !this.#planned.has(tab) && !this.#isOver()) this.#plan(tab)
    }
  }

  /** How many tabs wait for the lock. */
  async #waiting (): Promise<number> {
    return this.#pages.haveLock ? (await this.tabs[0]?.locks())?.waiting ?? 0 : 0
  }

  /** Draws what becomes of a request. */
  #receive (request: HeldRequest): void {
    const { way: longest, trip } = this.#delays
    const sentAt = this.#now()
    const way = this.#draw(3) === 0 ? this.#draw(3) : this.#draw(longest + 1)
    const back = this.#draw(3) === 0 ? this.#draw(3) : this.#draw(trip - way + 1)
    const fate = FATES[this.#draw(FATES.length)] ?? 'answered'
    const service = this.#draw(2) === 0 ? this.pair.a : this.pair.b
    this.#held.add(request)
    if (fate !== 'lostRequests') this.#later(way, async () => { await this.#judge(request, service.url, sentAt) }, true)
    // after the arrival, should they have the same instant
    this.#later(way + Math.max(back, 1), async () => { await this.#deliver(request, fate, sentAt) })
  }

  async #judge (request: HeldRequest, service: string, sentAt: number): Promise<void> {
    const { status, headers, body } = await request.forward(service)
    this.longest.way = Math.max(this.longest.way, this.#now() - sentAt)
    this.#judged.add(request)
    const text = body.toString()
    const presented = generationOf(request.cookie('rt'))
    if (status !== 200) this.#note(`${presented} is presented at ${request.path}: ${status} ${text}`, this.refused)
    else if (request.path === ACCESS) await this.#confirmed(accessGenerationOf(request.cookie('at')))
    else {
      const given = generationOf(headers['set-cookie']?.find((cookie) => cookie.startsWith('rt='))?.slice('rt='.length).split(';')[0] ?? '')
      const found = given > this.generation ? 'rotations' : given > 0 ? 'replays' : text.includes('superseded') ? 'stragglers' : 'early'
      this.tally[found]++
      this.generation = Math.max(this.generation, given)
      this.#note(`${presented} is presented: ${found}`)
    }
  }

  /** A service notes that an access token has arrived without making its answer wait. */
  async #confirmed (generation: number): Promise<void> {
    this.tally.access++
    await until(async () => (await this.pair.pool.query('SELECT 1 FROM refresh_tokens WHERE generation > $1 OR confirmed_at IS NOT NULL', [generation])).rowCount === 1, 'it is confirmed')
    this.#note(`access token ${generation} arrives`)
  }

  async #deliver (request: HeldRequest, fate: Fate, sentAt: number): Promise<void> {
    const [oldest] = this.#judged
    if (this.#judged.delete(request) && oldest !== request) this.tally.overtaking++
    if (fate === 'answered') request.answer()
    else if (fate === 'tornAnswers') request.tear()
    else request.cut()
    if (fate !== 'answered') this.tally[fate]++
    this.#held.delete(request)
    await this.#quiet()
    this.longest.trip = Math.max(this.longest.trip, this.#now() - sentAt)
  }

  #note (what: string, where?: string[]): void {
    const line = `${this.#at} s: ${what}`
    this.history.push(line)
    where?.push(line)
  }
}

/** The generation that a refresh token names; 0: it is none. */
function generationOf (token: string): number {
  return token === '' ? 0 : Buffer.from(token.slice('rt_'.length), 'base64url').readUInt32BE(21)
}

function accessGenerationOf (token: string): number {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).gen
}

/** Whole numbers from 0 to below a bound, the same for the same seed. */
function drawsOf (seed: number): (below: number) => number {
  let count = 0
  return (below) => hash('sha256', `${seed} ${count++}`, 'buffer').readUInt32BE(0) % below
}
