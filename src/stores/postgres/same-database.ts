import type { Listener } from './listener.js'
import { MisdirectedError } from './misdirected-error.js'
import type { Row } from './rows.js'
import type { Statement } from './statement.js'

/** A pool that is busy keeps no feed from being whole: its answer is not waited for longer. */
const ANSWER_MS = 1_000
/** Between two looks, at most; and where the last had no answer. */
const LOOK_EVERY_MS = 60_000
const LOOK_AGAIN_MS = 5_000

/**
 * The same text from each connection to one database of one running server, through a pooler, too; every role may read it.
 * A copy of a server has its numbers, but was not started at the same microsecond.
 */
const IDENTITY: Statement = {
  label: 'databaseIdentity',
  name: 'silverback_databaseIdentity',
  text: `SELECT d.oid || ' ' || extract(epoch FROM pg_postmaster_start_time()) AS identity
    FROM pg_database AS d WHERE d.datname = current_database()`,
  values: []
}

export interface SameDatabaseOptions {
  /** Sends a statement to where the others go. */
  readonly ask: (statement: Statement, budgetMs: number) => Promise<Row[]>
  /** Between two looks. Milliseconds. Default 60,000. */
  readonly everyMs?: number
  /** A steady clock, in milliseconds. Default `performance.now`. */
  readonly now?: () => number
}

/**
 * Whether a connection for LISTEN leads to the database that the statements go to: a notification is heard in its own
 * database alone. Whoever does not answer proves nothing, either way.
 */
export class SameDatabase {
  readonly #ask: SameDatabaseOptions['ask']
  readonly #everyMs: number
  readonly #now: () => number
  /** Where the statements went when that was asked last; `null`: not known yet. */
  #known: string | null = null
  /** Where a connection led that was found to be wrong. */
  #wrong: string | null = null
  #nextAt = -Infinity

  constructor ({ ask, everyMs = LOOK_EVERY_MS, now = () => performance.now() }: SameDatabaseOptions) {
    this.#ask = ask
    this.#everyMs = everyMs
    this.#now = now
  }

  /** Whether the last look is so long ago that the statements may go elsewhere now. */
  get isDue (): boolean { return this.#now() >= this.#nextAt }

  /** Resolves to whether that is known. @throws MisdirectedError when the connection leads elsewhere */
  async check (listener: Pick<Listener, 'send'>): Promise<boolean> {
    const { isDue } = this
    if (isDue) this.#nextAt = this.#now() + Math.max(this.#everyMs, ANSWER_MS) // one look at a time
    const here = await identityFrom(listener.send(IDENTITY))
    if (here === null) return false
    if (here === this.#known && !isDue) return true
    const there = await identityFrom(this.#ask(IDENTITY, ANSWER_MS))
    this.#nextAt = this.#now() + (there === null ? Math.min(LOOK_AGAIN_MS, this.#everyMs) : this.#everyMs)
    if (there !== null) {
      this.#known = there
      this.#wrong = here === there ? null : here
    }
    if (here === this.#wrong) throw new MisdirectedError('LISTEN leads to another database than the statements: "listenConnectionString" (DATABASE_DIRECT_URL) must lead to the same database of the same server')
    return here === this.#known
  }
}

/** `null`: no answer. */
async function identityFrom (answer: Promise<Row[]>): Promise<string | null> {
  const [row] = await answer.catch((): Row[] => [])
  return row?.['identity'] ?? null
}
