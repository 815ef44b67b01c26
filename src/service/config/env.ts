import { ConfigError } from './error.js'
import { slipOf } from './near.js'
import { Secret } from './secret.js'
import { readSecretFile } from './secret-file.js'

const ON: ReadonlySet<string> = new Set(['on', 'true'])
const OFF: ReadonlySet<string> = new Set(['off', 'false'])

/**
 * Reads variables of an environment and collects what is wrong with them, so that all of it is told at once.
 *
 * A variable that is faulty reads as one that is absent. Faults name variables and never show a value. Secrets are
 * removed from the environment when it is that of the process: what is started later does not inherit them.
 */
export class Env {
  readonly isProduction: boolean
  readonly warnings: string[] = []
  readonly #env: NodeJS.ProcessEnv
  readonly #faults: string[] = []
  readonly #given = new Set<string>()

  constructor (env: NodeJS.ProcessEnv) {
    this.#env = env
    this.isProduction = env['NODE_ENV'] === 'production'
    if (!this.isProduction && /^\s*prod/i.test(env['NODE_ENV'] ?? '')) {
      this.fault('NODE_ENV must be spelt "production"; anything else is development')
    }
  }

  fault (line: string): void {
    this.#faults.push(line)
  }

  /** The text of a variable, without blanks around it; `undefined`: not set. */
  text (name: string): string | undefined {
    const text = this.#env[name]?.trim()
    if (text !== '') return text
    this.fault(`${name} is empty: give it a value, or leave it out`)
    return undefined
  }

  /** The parts of a list with commas between them; `undefined`: not set. */
  list (name: string): string[] | undefined {
    return this.text(name)?.split(',').map((part) => part.trim())
  }

  /** A number in plain decimals. Its range is the caller's to check; `must`: what it has to be, in the fault. */
  number (name: string, must = 'a number'): number | undefined {
    const text = this.text(name)
    if (text === undefined || /^\d{1,12}(?:\.\d{1,9})?$/.test(text)) return text === undefined ? undefined : Number(text)
    this.fault(`${name} must be ${must}`)
    return undefined
  }

  flag (name: string): boolean | undefined {
    const text = this.text(name)?.toLowerCase()
    if (text === undefined) return undefined
    if (ON.has(text)) return true
    if (!OFF.has(text)) this.fault(`${name} must be on, off, true or false`)
    return OFF.has(text) ? false : undefined
  }

  choice<const T extends string> (name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name)
    const chosen = choices.find((choice) => choice === text)
    if (text !== undefined && chosen === undefined) this.fault(`${name} must be ${choices.length === 1 ? '' : 'one of '}${choices.join(', ')}`)
    return chosen
  }

  /** A secret from the variable, or from the file that the variable with `_FILE` at its end names. */
  secret (name: string): Secret | undefined {
    const fileName = `${name}_FILE`
    const text = this.text(name)
    const path = this.text(fileName)
    if (this.#env[fileName] !== undefined || this.#env[name] !== undefined) this.#given.add(name)
    if (this.#env === process.env) delete process.env[name]
    if (path === undefined) return text === undefined ? undefined : new Secret(text)
    if (text !== undefined) {
      this.fault(`${name} and ${fileName} are both set: keep one`)
      return undefined
    }
    const file = readSecretFile(path)
    if ('fault' in file) {
      this.fault(`${fileName} ${file.fault}`)
      return undefined
    }
    if (file.isOpen && this.isProduction) this.warnings.push(`${fileName} names a file that others than its owner have access to: chmod 600`)
    return new Secret(file.text)
  }

  /** Whether a secret was given, be it a faulty one: that is told already. */
  isGiven (name: string): boolean {
    return this.#given.has(name)
  }

  /** Counts a near miss of a known name as a slip, and tells of others that begin as ours do. `foreign` ones are let be. */
  refuseSlips (known: readonly string[], { prefix, foreign }: { prefix: RegExp, foreign: RegExp }): void {
    for (const name of Object.keys(this.#env)) {
      if (known.includes(name) || foreign.test(name)) continue
      const meant = slipOf(name, known)
      if (meant !== undefined) this.fault(`${name} is not a variable of this service; did you mean ${meant}?`)
      else if (prefix.test(name)) this.warnings.push(`${name} is no variable of this service: it is not read`)
    }
  }

  /** @throws ConfigError when anything was wrong */
  throwFaults (): void {
    if (this.#faults.length > 0) throw new ConfigError(this.#faults)
  }
}
