/** The environment does not make a configuration. `faults` holds a line for each thing that is wrong, without values. */
export class ConfigError extends Error {
  readonly faults: readonly string[]
  override get name (): string { return 'ConfigError' }
  constructor (faults: readonly string[]) {
    super(`the configuration is not valid:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`)
    this.faults = faults
  }
}
