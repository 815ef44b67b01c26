import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import swagger from '@fastify/swagger'
import type { SwaggerTransform, SwaggerTransformObject } from '@fastify/swagger'
import fp from 'fastify-plugin'
import { refusesOtherwise } from '../../plugins/operation.js'
import { TokenCookies } from '../../plugins/token-cookies.js'
import { resolveManagerOptions } from '../../session/options.js'
import type { SessionsConfig } from '../config/sessions.js'
import { AUTH_HEADERS, AUTH_SECURITY } from './auth.js'
import { shareSchemas } from './components.js'
import { securitySchemes } from './security.js'
import type { CookieNames } from './security.js'

const DESCRIPTION = `Sessions, tokens and users, kept in PostgreSQL.

One sign-in is one session; its cookie, its refresh token and its access tokens end together. Bodies are JSON, dates ISO 8601 in UTC. Refusals are problem documents (RFC 9457): programs look at \`code\`, which is stable. Every answer has an \`X-Request-Id\`, under which the log has the request.

Unsafe requests of other sites are refused, whatever cookies they bring. Before the database answers all but the routes of operation answer 503 \`ERR_STORE\`.`

const TAGS = [
  { name: 'Sign-in', description: 'Begin and end sessions of users.' },
  { name: 'Tokens', description: 'For clients that carry tokens: mobile applications, single-page applications, other services.' },
  { name: 'Account', description: 'For whoever is signed in.' },
  { name: 'Forward authentication', description: 'For a proxy before other services.' },
  { name: 'Session', description: 'Values of the session, with or without a user.' },
  { name: 'Administration', description: 'For administrators.' },
  { name: 'Operation', description: 'For whoever watches the service.' }
]

/**
 * Makes the document of the API, `app.swagger()`, of the schemas that the routes carry. Registered before them. A route
 * without an operationId is a page, and not in it.
 */
export const openApi = fp(async (app, { options }: { readonly options: SessionsConfig['options'] }) => {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'silverback', version: versionOf(new URL('../../../package.json', import.meta.url)), description: DESCRIPTION, license: { name: 'MIT', identifier: 'MIT' } },
      servers: [{ url: '/' }],
      tags: TAGS,
      components: { securitySchemes: securitySchemes(cookieNames(options)) }
    },
    convertConstToEnum: false, // OpenAPI 3.1 has `const`
    transform,
    transformObject
  })
})

function cookieNames (options: SessionsConfig['options']): CookieNames {
  const { accessName: access, refreshName: refresh } = new TokenCookies(options.secure)
  const { cookieName: session } = resolveManagerOptions({ ...options, authKey: randomBytes(32) })
  return { session, access, refresh }
}

const transform: SwaggerTransform = ({ schema, url }) => {
  const { operationId, body, ...rest } = schema ?? {} // pages have none
  if (operationId === undefined) return { url, schema: { hide: true } }
  const security = AUTH_SECURITY[operationId]
  const headers = AUTH_HEADERS[operationId]
  return {
    url,
    schema: {
      operationId,
      ...rest,
      ...(hasMembers(body) && { body }), // a body that may be absent and has no members is none
      ...(security !== undefined && { security }),
      ...(headers !== undefined && { headers }),
      response: { ...Object(rest.response), default: refusesOtherwise }
    }
  }
}

const hasMembers = (body: unknown): boolean => typeof body === 'object' && body !== null && 'properties' in body

/** @fastify/swagger takes every body for required. */
const transformObject: SwaggerTransformObject = (made) => {
  if (!('openapiObject' in made)) throw new TypeError('the document is made of another kind')
  const { openapiObject: document } = made
  for (const path of Object.values(document.paths ?? {})) {
    for (const operation of Object.values(path ?? {})) relax(operation)
  }
  return shareSchemas(document)
}

function relax (operation: unknown): void {
  const body: unknown = Reflect.get(Object(operation), 'requestBody')
  if (typeof body !== 'object' || body === null) return
  const type: unknown = Reflect.get(body, 'content')?.['application/json']?.schema?.type
  if (Array.isArray(type) && type.includes('null')) Reflect.set(body, 'required', false)
}

function versionOf (file: URL): string {
  const content: unknown = JSON.parse(readFileSync(file, 'utf8'))
  return String(Reflect.get(Object(content), 'version'))
}
