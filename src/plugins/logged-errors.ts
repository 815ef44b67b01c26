const logged = new WeakSet<object>()

/** The log has been told of this error, with its cause, at the level of errors. */
export function noteLogged (error: unknown): void {
  if (typeof error === 'object' && error !== null) logged.add(error)
}

/** Whether it has: a failure that ends a handler and then the save of its session is one, and has one line. */
export const isLogged = (error: object): boolean => logged.has(error)
