/**
 * How a route stands in a document of the API (OpenAPI 3.1, @fastify/swagger): parts of the `schema` of a route that say
 * what it answers. They change no answer: see `serializePlainly`.
 *
 * @module
 */
import { STATUS_CODES } from 'node:http'
import type { FastifyInstance, FastifySchema } from 'fastify'
import type {} from '@fastify/swagger' // what else a FastifySchema says
import { CrossSiteError, StoreError } from '../core/errors.js'
import { noToken } from './bearer.js'
import { general, invalid, toAnswer } from './problems.js'
import type { Answer } from './problems.js'

/** A JSON Schema of draft 2020-12. Several schemas of one title are the same one. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** The `schema` of a route. */
export type Operation = Readonly<FastifySchema>

/** What stands in `response` of an operation, by status. */
export type Responses = Readonly<Record<string, object>>

/** What refuses, whatever the route. */
export const COMMON = {
  malformed: toAnswer(invalid('body', 'must be object')),
  noToken: toAnswer(noToken()),
  tooLarge: general(413),
  mediaType: general(415),
  crossSite: toAnswer(new CrossSiteError()),
  store: toAnswer(new StoreError('load'))
} as const satisfies Readonly<Record<string, Answer>>

/** A problem document, see `core/problem.ts`. */
export const PROBLEM: JsonSchema = {
  title: 'Problem',
  description: 'Why a request was refused (RFC 9457).',
  type: 'object',
  required: ['type', 'title', 'status', 'code'],
  properties: {
    type: { const: 'about:blank' },
    title: { type: 'string', description: 'The status in words.' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    code: { type: 'string', pattern: '^ERR_[A-Z_]+$', description: 'Stable: what programs look at.' },
    detail: { type: 'string', description: 'For people. May change at any time.' },
    field: { type: 'string', description: 'The part of the request that is wrong.' },
    error: { enum: ['invalid_grant', 'invalid_token', 'invalid_request', 'insufficient_scope'], description: 'What clients of OAuth look for (RFC 6749, RFC 6750).' }
  }
}

const PROBLEM_MEDIA = 'application/problem+json'

/** Headers of answers that clients act upon; the others say nothing of the operation. */
const TOLD: ReadonlyMap<string, JsonSchema> = new Map([
  ['retry-after', { type: 'string', pattern: '^[0-9]+$', description: 'Seconds until it is worth trying again.' }],
  ['www-authenticate', { type: 'string', pattern: '^Bearer', description: 'RFC 6750 section 3.' }]
])

/** An answer in JSON. @param examples by name */
export function answers (description: string, schema: JsonSchema, { examples, headers }: { readonly examples?: Readonly<Record<string, unknown>>, readonly headers?: Readonly<Record<string, JsonSchema>> } = {}): object {
  return {
    description,
    ...(headers !== undefined && { headers }),
    content: { 'application/json': { schema, ...(examples !== undefined && { examples: named(examples) }) } }
  }
}

/** An answer without a body. */
export function answersNothing (description: string, headers?: Readonly<Record<string, JsonSchema>>): object {
  return { type: 'null', description, ...(headers !== undefined && { headers }) }
}

/** The problem documents that a route answers, one an answer, by status. @param members what the documents have besides */
export function refuses (given: readonly Answer[], members: JsonSchema = {}): Responses {
  const statuses = [...new Set(given.map(({ problem }) => problem.status))]
  return Object.fromEntries(statuses.map((status) => [status, refusal(status, given.filter(({ problem }) => problem.status === status), members)]))
}

/** What refuses whatever the operation is, in a document alone. */
export const refusesOtherwise: object = {
  description: 'Any other refusal: `ERR_TIMEOUT` (408), `ERR_TOO_LARGE` (414, 431), `ERR_REQUEST` (other 4xx), `ERR_INTERNAL` (500).',
  content: { [PROBLEM_MEDIA]: { schema: PROBLEM, examples: named({ ERR_INTERNAL: general(500).problem }) } }
}

/** Has what a route answers turned into JSON as if it had no schemas of answers: what is in no schema is not lost. */
export function serializePlainly (app: FastifyInstance): void {
  app.setSerializerCompiler(() => (payload) => JSON.stringify(payload))
}

function refusal (status: number, group: readonly Answer[], members: JsonSchema): object {
  const codes = [...new Set(group.map(({ problem }) => problem.code))]
  return {
    description: `${STATUS_CODES[status]}: ${codes.map((code) => `\`${code}\``).join(', ')}`,
    ...headersOf(group),
    content: {
      [PROBLEM_MEDIA]: {
        schema: { allOf: [PROBLEM, { type: 'object', properties: { status: { const: status }, code: { enum: codes }, ...members } }] },
        examples: named(Object.fromEntries(group.map(({ problem }, index) => [nameIn(group, index), problem])))
      }
    }
  }
}

/** The code; of a second example of the same one with its number. */
function nameIn (group: readonly Answer[], index: number): string {
  const code = group[index]?.problem.code ?? ''
  const before = group.slice(0, index).filter(({ problem }) => problem.code === code).length
  return before === 0 ? code : `${code}-${before + 1}`
}

function headersOf (group: readonly Answer[]): { readonly headers?: Readonly<Record<string, JsonSchema>> } {
  const found = [...TOLD].flatMap(([name, schema]) => {
    const examples = [...new Set(group.flatMap(({ headers }) => headers[name] ?? []))]
    return examples.length === 0 ? [] : [[name, { ...schema, examples }] as const]
  })
  return found.length === 0 ? {} : { headers: Object.fromEntries(found) }
}

function named (examples: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }]))
}
