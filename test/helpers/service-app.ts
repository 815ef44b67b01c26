/** The service as an application that does not listen, on a store in memory unless the test brings its own. */

import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { buildApp } from '../../src/service/app.js'
import type { AppParts } from '../../src/service/app.js'
import { readConfig } from '../../src/service/config.js'
import { Secret } from '../../src/service/config/secret.js'
import { createLog } from '../../src/service/log.js'
import { MemoryStore } from '../../src/stores/memory/store.js'

export interface ServiceOptions extends Partial<Omit<AppParts, 'config'>> {
  /** The environment. Default: empty, which is development. */
  readonly env?: NodeJS.ProcessEnv
}

export const AUTH_KEY = randomBytes(32).toString('base64url')

/** Closed after the test. */
export async function openService (t: Test, { env = {}, ...parts }: ServiceOptions = {}): Promise<FastifyInstance> {
  const app = buildApp({
    config: readConfig(env),
    authKeys: new Secret(AUTH_KEY),
    store: new MemoryStore(),
    readiness: { isReady: true, check: async () => ({ reasons: [], warnings: [] }) },
    log: createLog('silent'),
    ...parts
  })
  t.teardown(async () => { await app.close() })
  await app.ready()
  return app
}

/** The session cookie that an answer has set, as a Cookie header; an empty text: none. */
export function cookieOf (answer: { readonly cookies: readonly { readonly name: string, readonly value: string }[] }): string {
  const [cookie] = answer.cookies
  return cookie === undefined ? '' : `${cookie.name}=${cookie.value}`
}

/** Begins a session; resolves to its Cookie header. */
export async function beginSession (app: FastifyInstance, values: object = { colour: 'silver' }): Promise<string> {
  return cookieOf(await app.inject({ method: 'PATCH', url: '/session', payload: { set: values } }))
}
