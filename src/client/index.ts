/**
 * For pages whose tokens are in cookies (transport `cookie`): keeps the access cookie fresh, once for all tabs.
 *
 * Cookies are shared by tabs, and so are the lock and the channel of this module: whoever has the lock refreshes, the
 * others hear what came of it. Where a browser has no Web Locks (it does so in secure contexts alone) each tab refreshes
 * for itself, which the server allows.
 *
 * Sign-in must not overlap a refresh, whose cookies could replace those of the sign-in. What is sent by `fetch` below
 * `baseUrl` and is no GET is therefore sent under the lock: sign in by `client.fetch('/auth/login', …)`, then `start`.
 * Elsewhere take the lock yourself: `navigator.locks.request('silverback ' + absoluteBaseUrl, …)`.
 *
 * @module
 */

export interface ClientOptions {
  /** Where the auth routes are, such as `/auth` or `https://api.example.com/auth`. */
  readonly baseUrl: string | URL
  /** Called once in every tab that has a client when nobody is signed in any more, by `logout` too; again only after `start` or a refresh. */
  readonly onSignedOut?: () => void
}

export interface Client {
  /**
   * As the browser's own, with cookies for the origin of `baseUrl` (a `Request` keeps its own `credentials`). After a
   * 401 from there the cookie is refreshed and the request is sent once more; below `baseUrl` only where the code is
   * `ERR_UNAUTHENTICATED`, since a wrong password is a 401, too. Requests to other origins are passed on as they are.
   */
  readonly fetch: typeof fetch
  /**
   * Refreshes now. Resolves to whether the access cookie is fresh, by this tab or by another that was at it; to `false`
   * when it could not be done now or the session has ended. Never rejects.
   */
  readonly refreshCookie: () => Promise<boolean>
  /**
   * Refreshes, and again two minutes before each expiry, at four fifths of lives under ten minutes; when the page is
   * seen again; when the network is back; never sooner than 10 s after an answer. Idempotent.
   */
  readonly start: () => void
  /** Ends what `start` began. A sign-out in another tab is still told. Idempotent. */
  readonly stop: () => void
  /** Signs out, and tells all tabs. Resolves to `false` when it could not be done: the session lives on. Never rejects. */
  readonly logout: () => Promise<boolean>
}

/** What a tab tells the others. Seconds, and not instants: clocks of tabs differ. */
type Told =
  | { readonly out: true }
  | { readonly out: false, readonly isFresh: boolean, readonly isAnswer: boolean, readonly next: number }

/** With these a refresh token is refused for good, or is not there any more. All else passes. */
const FINAL = /^ERR_(TOKEN_(REUSED|REVOKED|EXPIRED|INVALID|MISSING)|SESSION_BLOCKED)$/
const REST_SECONDS = 10
const RETRY_SECONDS = 30
/** As long as the server allows for, by default (`stragglerWindow`). */
const TIMEOUT_MS = 30_000
/** The lock of a tab can be free before its message has arrived. */
const HEARING_MS = 100
/** A longer delay overflows, and is none. */
const MAX_DELAY_MS = 2 ** 31 - 1

class TabClient implements Client {
  readonly #base: string
  readonly #origin: string
  readonly #credentials: RequestCredentials
  readonly #name: string
  readonly #onSignedOut: (() => void) | undefined
  readonly #channel: BroadcastChannel | undefined
  #refreshing: Promise<boolean> | undefined
  #heard: (() => void) | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #isRunning = false
  #isOver = false
  /** What came of the last refresh of any tab, and when. Instants are those of `performance.now()`. */
  #isFresh = false
  #settledAt = -1
  #answeredAt = -REST_SECONDS * 1000
  #dueAt = 0

  constructor ({ baseUrl, onSignedOut }: ClientOptions) {
    const { href, origin } = new URL(baseUrl, location.href)
    this.#base = href.replace(/\/+$/, '')
    this.#origin = origin
    this.#credentials = origin === location.origin ? 'same-origin' : 'include'
    this.#name = `silverback ${this.#base}`
    this.#onSignedOut = onSignedOut
    if (typeof BroadcastChannel === 'function') {
      this.#channel = new BroadcastChannel(this.#name)
      this.#channel.onmessage = ({ data }) => { this.#settle(data) }
    }
  }

  fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const isRequest = input instanceof Request
    const { href, origin } = new URL(isRequest ? input.url : input, location.href)
    if (origin !== this.#origin) return await fetch(input, init)
    const request = new Request(input, isRequest ? init : { credentials: this.#credentials, ...init })
    const isBelow = href.startsWith(`${this.#base}/`)
    const send = async (): Promise<Response> => await fetch(request.clone())
    const sendInTurn = async (): Promise<Response> => isBelow && request.method !== 'GET' ? await this.#inTurn(send) : await send()
    const sentAt = performance.now()
    const answer = await sendInTurn()
    if (answer.status !== 401 || (isBelow && (await codeOf(answer.clone())) !== 'ERR_UNAUTHENTICATED')) return answer
    const isFresh = this.#settledAt > sentAt ? this.#isFresh : await this.refreshCookie()
    return isFresh ? await sendInTurn() : answer
  }

  refreshCookie = async (): Promise<boolean> => {
    const askedAt = performance.now()
    this.#refreshing ??= this.#inTurn(async (hasWaited) => {
      if (hasWaited && this.#settledAt < askedAt) {
        await new Promise<void>((resolve) => {
          this.#heard = resolve
          setTimeout(resolve, HEARING_MS)
        })
      }
      if (this.#settledAt < askedAt) this.#tell(await this.#refresh())
      return this.#isFresh
    }).finally(() => { this.#refreshing = undefined })
    return await this.#refreshing
  }

  start = (): void => {
    if (this.#isRunning) return
    this.#isRunning = true
    this.#isOver = false
    addEventListener('online', this.#wake)
    document.addEventListener('visibilitychange', this.#wake)
    this.#schedule(this.#dueAt)
  }

  stop = (): void => {
    this.#isRunning = false
    clearTimeout(this.#timer)
    removeEventListener('online', this.#wake)
    document.removeEventListener('visibilitychange', this.#wake)
  }

  logout = async (): Promise<boolean> => await this.#inTurn(async () => {
    const answer = await this.#post('/logout')
    if (answer?.ok) this.#tell({ out: true })
    return answer?.ok === true
  })

  async #refresh (): Promise<Told> {
    const answer = await this.#post('/refresh')
    const body = await answer?.json().catch(() => null)
    if (answer?.ok && body?.expires_in > 0) {
      const life: number = body.expires_in
      return { out: false, isFresh: true, isAnswer: true, next: Math.max(REST_SECONDS, life - 120, life * 0.8) }
    }
    if (answer !== null && answer.status < 500 && FINAL.test(body?.code)) return { out: true }
    const wait = Number(answer?.headers.get('retry-after')) || RETRY_SECONDS
    return { out: false, isFresh: false, isAnswer: answer !== null, next: Math.max(REST_SECONDS, wait) }
  }

  /** `null`: there is no answer. The cookies of one are kept when the page is left meanwhile. */
  async #post (path: string): Promise<Response | null> {
    return await fetch(this.#base + path, { method: 'POST', credentials: this.#credentials, keepalive: true, signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(() => null)
  }

  #tell (told: Told): void {
    this.#channel?.postMessage(told)
    this.#settle(told)
  }

  #settle (told: Told): void {
    const now = performance.now()
    this.#settledAt = now
    this.#isFresh = !told.out && told.isFresh
    if (told.out) {
      this.stop()
      this.#dueAt = 0
      // a fault of the application's is the application's: it must not look like one of the refresh
      if (!this.#isOver && this.#onSignedOut) queueMicrotask(this.#onSignedOut)
      this.#isOver = true
    } else {
      if (told.isFresh) this.#isOver = false
      if (told.isAnswer) this.#answeredAt = now
      this.#schedule(now + told.next * 1000)
    }
    this.#heard?.()
  }

  #schedule (dueAt: number): void {
    this.#dueAt = dueAt
    clearTimeout(this.#timer)
    if (this.#isRunning) this.#timer = setTimeout(this.refreshCookie, Math.min(dueAt - performance.now(), MAX_DELAY_MS))
  }

  /** The clock may have stood still: whether the cookie is fresh is not known. */
  #wake = ({ type }: Event): void => {
    if (type === 'online' || !document.hidden) this.#schedule(this.#answeredAt + REST_SECONDS * 1000)
  }

  /** Does something while no other tab does; `hasWaited`: one was at it. */
  async #inTurn<T> (work: (hasWaited: boolean) => Promise<T>): Promise<T> {
    // not there in an insecure context
    const locks = navigator.locks as LockManager | undefined
    if (!locks) return await work(false)
    const done = await locks.request(this.#name, { ifAvailable: true }, async (lock) => lock && { result: await work(false) })
    return done ? done.result : await locks.request(this.#name, async () => await work(true))
  }
}

async function codeOf (answer: Response): Promise<unknown> {
  return await answer.json().then((body) => body?.code, () => null)
}

/** @throws TypeError for a `baseUrl` that is none */
export function createClient (options: ClientOptions): Client {
  return new TabClient(options)
}
