/** LISTEN goes a way on which nothing is heard: somebody has to change the configuration. The message says how, without secrets. */
export class MisdirectedError extends Error {
  override readonly name = 'MisdirectedError'
}
