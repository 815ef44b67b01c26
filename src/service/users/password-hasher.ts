import { randomBytes } from 'node:crypto'
import { hash, parseOptions, verify } from '@node-rs/argon2'
import type { ParsedHashOptions } from '@node-rs/argon2'
import { HashQueue } from './hash-queue.js'

/** Hashes passwords, which come normalised. */
export interface PasswordHasher {
  /** Takes a place for the hashes of some work before it begins. @throws RequestError 503 `ERR_BUSY`; nothing was run */
  admit<T> (work: () => Promise<T>): Promise<T>
  /** A PHC string with a salt of its own. @throws RequestError 503 `ERR_BUSY` */
  hash (password: string): Promise<string>
  /**
   * Whether the password is that of the hash. `null`, or a hash that must not be run: `false`, after the work of one
   * that may. @throws RequestError 503 `ERR_BUSY`
   */
  verify (hashed: string | null, password: string): Promise<boolean>
  /** Whether a hash was made with other parameters than today's. */
  isStale (hashed: string): boolean
}

/** OWASP Password Storage Cheat Sheet, Argon2id: 19 MiB, two passes, one lane. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }
/** A row that was tampered with must not take the machine's memory or time. */
const MOST = { memoryCost: 128 * 1024, timeCost: 10, parallelism: 8 }
const ARGON2ID = /^\$argon2id\$v=19\$/
const MAX_HASH = 512

/** Argon2id of @node-rs/argon2, as many at once as `queue` lets through. */
export class Argon2Hasher implements PasswordHasher {
  readonly #queue: HashQueue
  /** Made at the start, with today's parameters: what a user who does not exist is verified against. */
  readonly #dummy: Promise<string>

  constructor (queue: HashQueue = new HashQueue()) {
    this.#queue = queue
    this.#dummy = this.hash(randomBytes(32).toString('base64url'))
    this.#dummy.catch(() => { /* told to whoever waits for it */ })
  }

  async admit<T> (work: () => Promise<T>): Promise<T> {
    return await this.#queue.admit(work)
  }

  async hash (password: string): Promise<string> {
    return await this.#queue.run(async () => await hash(password, COST)) // Argon2id, version 19 and 16 bytes of salt are its defaults
  }

  async verify (hashed: string | null, password: string): Promise<boolean> {
    const isUsable = hashed !== null && isSafe(hashed)
    const against = isUsable ? hashed : await this.#dummy
    const isRight = await this.#queue.run(async () => await verify(against, password).catch(() => false))
    return isRight && isUsable
  }

  isStale (hashed: string): boolean {
    const cost = costOf(hashed)
    return cost === null || cost.memoryCost !== COST.memoryCost || cost.timeCost !== COST.timeCost || cost.parallelism !== COST.parallelism
  }
}

function isSafe (hashed: string): boolean {
  const cost = costOf(hashed)
  return cost !== null && cost.memoryCost <= MOST.memoryCost && cost.timeCost <= MOST.timeCost && cost.parallelism <= MOST.parallelism
}

/** `null`: no Argon2id of today's version. */
function costOf (hashed: string): ParsedHashOptions | null {
  if (hashed.length > MAX_HASH || !ARGON2ID.test(hashed)) return null
  try {
    return parseOptions(hashed)
  } catch {
    return null
  }
}
