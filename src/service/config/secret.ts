import { inspect } from 'node:util'

const REDACTED = '[redacted]'

/** A text that no log, `console.log` or `JSON.stringify` shows. `reveal()` is the only way to it. */
export class Secret {
  readonly #text: string

  constructor (text: string) {
    this.#text = text
  }

  reveal (): string { return this.#text }
  toString (): string { return REDACTED }
  toJSON (): string { return REDACTED }
  [inspect.custom] (): string { return REDACTED }
}
