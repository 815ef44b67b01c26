import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthRoutesOptions, AuthUser, Credentials, EndedSessions } from '../../plugins/auth/options.js'
import { identityOf } from '../../plugins/auth/parts.js'
import type { Audit } from '../events/audit.js'
import type { KnownDevices } from '../throttle/known-device.js'
import { LIMITS } from '../throttle/limits.js'
import type { Attempt, Reservation, Throttle, ThrottledFacts } from '../throttle/throttle.js'
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
  readonly audit: Pick<Audit, 'record' | 'countEnded'>
  /** Who is administrator when they register, by the key of their address. */
  readonly adminEmails: ReadonlySet<string>
}

/** What a guess counts against. */
interface Guesser {
  readonly attempts: readonly Attempt[]
  readonly facts?: ThrottledFacts
}

/** How often a password is verified anew because it changed meanwhile. */
const CHANGES = 3

/**
 * The users of the service, for the auth routes. A guess has its place among the hashes before it costs a query, and is
 * counted before it is verified: at a sign-in under the name that was given, whether there is such a user or not, else
 * under the session that asks. Unknown users, wrong passwords and disabled users cost the same two statements and one hash.
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
    const { hasher, users, throttle, audit } = this.#parts
    const guess = await hasher.admit(async () => await this.#guess(this.#bySignIn(email.key, request), password, request, async () => await users.find(email.key)))
    if (guess === null) {
      audit.record(request, 'signInRefused')
      return null
    }
    await throttle.reserve(throttle.from(LIMITS.begin, request.ip), request)
    return this.#toAuthUser(guess)
  }

  /** @throws RequestError 400, 422 `ERR_WEAK_PASSWORD`, 429, 503 `ERR_BUSY`; StoreError */
  readonly register = async (credentials: Credentials, request: FastifyRequest): Promise<AuthUser | null> => {
    const { users, hasher, throttle, audit, adminEmails } = this.#parts
    const email = parseEmail(credentials.email)
    const password = normalizePassword(credentials.password)
    const account = await hasher.admit(async () => {
      // that of the session, too, before there is a user who could not be signed in
      const reservation = await throttle.reserve([...throttle.from(LIMITS.register, request.ip), ...throttle.from(LIMITS.begin, request.ip)], request)
      const passwordHash = await orGiveBack(reservation, async () => {
        checkPassword(password, email.key) // counted before: it takes longer than to refuse
        return await hasher.hash(password)
      })
      return await users.add({ email: email.address, emailKey: email.key, passwordHash, isAdmin: adminEmails.has(email.key) })
    })
    if (account === null) {
      audit.record(request, 'registrationRefused')
      return null
    }
    audit.record(request, 'registered', { userId: account.user.id })
    return this.#toAuthUser(account)
  }

  /** @throws RequestError 400, 422, 429, 503; StoreError */
  readonly changePassword = async (userId: string, given: { readonly current: string, readonly next: string }, request: FastifyRequest): Promise<boolean> => {
    const { users, hasher, audit } = this.#parts
    const { sessionId } = identityOf(request)
    const current = normalizePassword(given.current, 'current')
    const next = normalizePassword(given.next, 'next')
    return await hasher.admit(async () => {
      for (let changes = 0; changes < CHANGES; changes++) {
        const guess = await this.#guess(bySession(request), current, request, async () => await users.get(userId))
        if (guess === null) break
        checkPassword(next, guess.emailKey, 'next')
        // another sign-in may have made the hash anew meanwhile, or another request changed the password
        const ended = await users.changePassword(userId, { from: guess.passwordHash, to: await hasher.hash(next), spared: sessionId })
        if (ended !== null) {
          if (ended > 0) audit.countEnded('password_changed', ended)
          audit.record(request, 'passwordChanged', { userId, sessionId })
          return true
        }
      }
      audit.record(request, 'passwordRefused', { userId, sessionId })
      return false
    })
  }

  /** @throws RequestError 400, 429, 503; StoreError */
  readonly checkPassword = async (userId: string, given: string, request: FastifyRequest): Promise<boolean> => {
    const password = normalizePassword(given)
    const { hasher, users, audit } = this.#parts
    const guess = await hasher.admit(async () => await this.#guess(bySession(request), password, request, async () => await users.get(userId)))
    audit.record(request, guess === null ? 'passwordRefused' : 'reauthenticated', { userId, sessionId: identityOf(request).sessionId })
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

  /** Notes which sessions a user has ended. */
  readonly onEnded = ({ userId, sessionId, spared }: EndedSessions, request: FastifyRequest): void => {
    const { audit } = this.#parts
    if (sessionId !== null && sessionId === request.auth?.sessionId) return // a sign-out: its end tells of it
    if (sessionId !== null) audit.record(request, 'endedByUser', { userId, sessionId })
    else audit.record(request, 'endedByUser', { userId, ...(spared !== null && { reason: spared }) })
  }

  /** Makes the device known to the account that has signed in with this request, if one has. */
  rememberDevice (request: FastifyRequest, reply: FastifyReply): void {
    const account = this.#signedIn.get(request)
    if (account !== undefined && reply.statusCode < 400) this.#parts.devices.remember(request, reply, account.emailKey)
  }

  /** Counts a guess, then verifies it; `null`: wrong, nobody's, or of a user who is disabled. */
  async #guess ({ attempts, facts }: Guesser, password: string, request: FastifyRequest, find: () => Promise<Account | null>): Promise<Account | null> {
    const reservation = await this.#parts.throttle.reserve(attempts, request, facts)
    const { account, isRight } = await orGiveBack(reservation, async () => await this.#verify(password, find))
    if (account === null || !isRight || account.isDisabled) return null
    await reservation.giveBack([LIMITS.account, LIMITS.device])
    return await this.#renewHash(account, password, request)
  }

  /** A known device has a count of its own, and nobody else's guesses touch it. */
  #bySignIn (name: string, request: FastifyRequest): Guesser {
    const { throttle, devices } = this.#parts
    const device = devices.idOf(request, name)
    if (device !== null) return { attempts: [{ limit: LIMITS.device, of: device }] }
    return { attempts: [{ limit: LIMITS.account, of: name }, ...throttle.pair(LIMITS.pair, name, request.ip), ...throttle.from(LIMITS.login, request.ip)] }
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
}

/** Work that an attempt was counted for. When it fails nothing was learned, and the attempt is taken back. */
async function orGiveBack<T> (reservation: Reservation, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await reservation.giveBack().catch(() => { /* the cause is told */ })
    throw error
  }
}

/** A session has a count of its own as well: whoever is signed in is kept out by no guesses but their own. */
function bySession (request: FastifyRequest): Guesser {
  const { sessionId, userId } = identityOf(request)
  return { attempts: [{ limit: LIMITS.device, of: sessionId }], facts: { sessionId, userId } }
}
