import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthRoutesOptions, AuthUser, Credentials } from '../../plugins/auth/options.js'
import { RequestError } from '../../plugins/problems.js'
import type { KnownDevices } from '../throttle/known-device.js'
import { LIMITS } from '../throttle/limits.js'
import type { Reservation, Throttle } from '../throttle/throttle.js'
import { parseEmail } from './email.js'
import { normalizePassword } from './password.js'
import type { PasswordHasher } from './password-hasher.js'
import { checkPassword } from './password-policy.js'
import type { Account, User, UserStore } from './user-store.js'

export interface AccountsParts {
  readonly users: UserStore
  readonly hasher: PasswordHasher
  readonly throttle: Throttle
  readonly devices: KnownDevices
  /** Who is administrator when they register, by the key of their address. */
  readonly adminEmails: ReadonlySet<string>
}

/** How often a password is verified anew because it changed meanwhile. */
const CHANGES = 3

/**
 * The users of the service, for the auth routes. Guesses are counted before they are verified, under the name that was
 * given whether there is such a user or not; unknown users, wrong passwords and disabled users cost the same two
 * statements and one hash.
 */
export class Accounts implements AuthRoutesOptions {
  readonly #parts: AccountsParts
  /** What a sign-in was checked against, until it is confirmed. */
  readonly #checked = new WeakMap<AuthUser, Account>()
  /** Requests that have signed in. */
  readonly #signedIn = new WeakMap<FastifyRequest, Account>()

  constructor (parts: AccountsParts) {
    this.#parts = parts
  }

  /** @throws RequestError 400 for what can be nobody's, 429 `ERR_THROTTLED`, 503 `ERR_BUSY`; StoreError */
  readonly authenticate = async (credentials: Credentials, request: FastifyRequest): Promise<AuthUser | null> => {
    const email = parseEmail(credentials.email)
    const password = normalizePassword(credentials.password)
    const guess = await this.#guess(email.key, password, request, async () => await this.#parts.users.find(email.key))
    request.log.info({ event: 'signIn', outcome: guess === null ? 'refused' : 'passed', userId: guess?.user.id, clientIp: request.ip }, 'sign-in')
    return guess === null ? null : this.#toAuthUser(guess)
  }

  /** @throws RequestError 400, 422 `ERR_WEAK_PASSWORD`, 429, 503 `ERR_BUSY`; StoreError */
  readonly register = async (credentials: Credentials, request: FastifyRequest): Promise<AuthUser | null> => {
    const { users, hasher, throttle, adminEmails } = this.#parts
    const email = parseEmail(credentials.email)
    const password = normalizePassword(credentials.password)
    checkPassword(password, email.key)
    await throttle.reserve(throttle.from(LIMITS.register, request.ip))
    const passwordHash = await hasher.hash(password)
    const account = await users.add({ email: email.address, emailKey: email.key, passwordHash, isAdmin: adminEmails.has(email.key) })
    request.log.info({ event: 'register', outcome: account === null ? 'taken' : 'passed', userId: account?.user.id, clientIp: request.ip }, 'registration')
    return account === null ? null : this.#toAuthUser(account)
  }

  /** @throws RequestError 400, 422, 429, 503; StoreError */
  readonly changePassword = async (userId: string, given: { readonly current: string, readonly next: string }, request: FastifyRequest): Promise<boolean> => {
    const { users, hasher } = this.#parts
    const current = normalizePassword(given.current, 'current')
    const next = normalizePassword(given.next, 'next')
    const account = await users.get(userId)
    if (account === null) return false
    checkPassword(next, account.emailKey, 'next')
    for (let changes = 0; changes < CHANGES; changes++) {
      const guess = await this.#guess(account.emailKey, current, request, async () => await users.get(userId))
      if (guess === null) return this.#told(request, userId, 'refused')
      // another sign-in may have made the hash anew meanwhile, or another request changed the password
      if (await users.changePassword(userId, guess.passwordHash, await hasher.hash(next))) return this.#told(request, userId, 'passed')
    }
    return this.#told(request, userId, 'refused')
  }

  /** @throws RequestError 400, 429, 503; StoreError */
  readonly checkPassword = async (userId: string, given: string, request: FastifyRequest): Promise<boolean> => {
    const password = normalizePassword(given)
    const account = await this.#parts.users.get(userId)
    if (account === null) return false
    const guess = await this.#guess(account.emailKey, password, request, async () => account)
    request.log.info({ event: 'reauthenticate', outcome: guess === null ? 'refused' : 'passed', userId, clientIp: request.ip }, 'reauthentication')
    return guess !== null
  }

  readonly findUser = async (userId: string): Promise<User | null> => {
    const account = await this.#parts.users.get(userId)
    return account === null || account.isDisabled ? null : account.user
  }

  /** Whether the user may still sign in, with nothing changed since the password was checked. */
  readonly confirmSignIn = async (user: AuthUser, request: FastifyRequest): Promise<boolean> => {
    const account = this.#checked.get(user)
    if (account === undefined || !await this.#parts.users.holds(account)) return false
    this.#signedIn.set(request, account)
    return true
  }

  /** Makes the device known to the account that has signed in with this request, if one has. */
  rememberDevice (request: FastifyRequest, reply: FastifyReply): void {
    const account = this.#signedIn.get(request)
    if (account !== undefined && reply.statusCode < 300) this.#parts.devices.remember(request, reply, account.emailKey)
  }

  /** Counts a guess, then verifies it; `null`: wrong, nobody's, or of a user who is disabled. */
  async #guess (name: string, password: string, request: FastifyRequest, find: () => Promise<Account | null>): Promise<Account | null> {
    const reservation = await this.#reserve(name, request)
    const { account, isRight } = await this.#verify(password, find).catch(async (error: unknown) => {
      await reservation.giveBack().catch(() => { /* the cause is told */ }) // nothing was learned
      throw error
    })
    if (account === null || !isRight || account.isDisabled) return null
    await reservation.giveBack([LIMITS.account, LIMITS.device])
    return await this.#renewHash(account, password, request)
  }

  /** A known device has a count of its own, and nobody else's guesses touch it. */
  async #reserve (name: string, request: FastifyRequest): Promise<Reservation> {
    const { throttle, devices } = this.#parts
    const device = devices.idOf(request, name)
    try {
      return await throttle.reserve(device !== null
        ? [{ limit: LIMITS.device, of: device }]
        : [{ limit: LIMITS.account, of: name }, ...throttle.pair(LIMITS.pair, name, request.ip), ...throttle.from(LIMITS.login, request.ip)])
    } catch (error) {
      if (error instanceof RequestError) request.log.info({ event: 'throttled', isKnownDevice: device !== null, clientIp: request.ip }, 'a guess was throttled')
      throw error
    }
  }

  async #verify (password: string, find: () => Promise<Account | null>): Promise<{ account: Account | null, isRight: boolean }> {
    const account = await find()
    return { account, isRight: await this.#parts.hasher.verify(account?.passwordHash ?? null, password) }
  }

  /** Makes a hash with other parameters than today's anew. A sign-in does not fail for it. */
  async #renewHash (account: Account, password: string, request: FastifyRequest): Promise<Account> {
    const { users, hasher } = this.#parts
    if (!hasher.isStale(account.passwordHash)) return account
    try {
      const passwordHash = await hasher.hash(password)
      return await users.rehash(account.user.id, account.passwordHash, passwordHash) ? { ...account, passwordHash } : account
    } catch (err) {
      request.log.warn({ err, userId: account.user.id }, 'a password could not be hashed anew; the next sign-in tries again')
      return account
    }
  }

  #toAuthUser (account: Account): AuthUser {
    const { user } = account
    const authUser = { id: user.id, claims: { isAdmin: user.isAdmin }, profile: user }
    this.#checked.set(authUser, account)
    return authUser
  }

  #told (request: FastifyRequest, userId: string, outcome: 'passed' | 'refused'): boolean {
    request.log.info({ event: 'changePassword', outcome, userId, clientIp: request.ip }, 'password change')
    return outcome === 'passed'
  }
}
