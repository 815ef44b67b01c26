/** The only place where the library reads the environment. Everything else is an option. */

/** Whether `NODE_ENV` is `production`, at the time of the call. */
export function isProduction (): boolean {
  return process.env.NODE_ENV === 'production'
}
