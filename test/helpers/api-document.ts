/** The document of the API, and calls that are checked against it. */

import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'

/** As far as tests look at it. */
interface Media { readonly schema: object, readonly examples?: Readonly<Record<string, { readonly value: unknown }>> }
interface Header { readonly schema: { readonly examples?: readonly unknown[] } }
interface Answer { readonly headers?: Readonly<Record<string, Header>>, readonly content?: Readonly<Record<string, Media>> }
interface Parameter { readonly in: 'path' | 'query' | 'header', readonly name: string, readonly required?: boolean, readonly schema: object }
export interface Operation {
  readonly operationId: string
  readonly summary?: string
  readonly tags?: readonly string[]
  readonly security?: readonly object[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly required: boolean, readonly content: Readonly<Record<string, Media>> }
  readonly responses: Readonly<Record<string, Answer>>
}
export interface ApiDocument {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, object>>, readonly securitySchemes: Readonly<Record<string, { readonly name?: string }>> }
}

/** An operation with where it stands. */
export interface Placed extends Operation { readonly method: string, readonly path: string }

export interface Call {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly cookie?: string
  readonly token?: string
  /** JSON, or text as it is. */
  readonly body?: object | string
  readonly remoteAddress?: string
  readonly app?: FastifyInstance
}

/** Headers that stand in the document wherever they are sent. */
const TOLD = ['set-cookie', 'retry-after', 'www-authenticate', 'x-refresh-token', 'x-user-id', 'x-is-admin', 'x-session-id']

export class CheckedApi {
  readonly document: ApiDocument
  readonly operations: ReadonlyMap<string, Placed>
  /** Which answers were seen: `login 200`. */
  readonly seen = new Set<string>()
  readonly #app: FastifyInstance
  readonly #ajv = new Ajv2020({ strict: true, strictTypes: false, allErrors: true, validateFormats: true })
  readonly #validators = new Map<object, ValidateFunction>()

  constructor (app: FastifyInstance, document: ApiDocument) {
    this.#app = app
    this.document = document
    this.operations = new Map(Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [operation.operationId, { ...operation, method: method.toUpperCase(), path }] as const)))
    formats.default(this.#ajv)
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      // what a Problem has besides stands beside it
      this.#ajv.addSchema(name === 'Problem' ? schema : closed(schema), idOf(name))
    }
  }

  /** The answers that stand in the document, in the form of `seen`. */
  get told (): string[] {
    return [...this.operations.values()].flatMap(({ operationId, responses }) => Object.keys(responses).filter((status) => status !== 'default').map((status) => `${operationId} ${status}`))
  }

  /** What is wrong with a value; empty: nothing. What no schema has is wrong. */
  faults (schema: object, value: unknown): string {
    let validate = this.#validators.get(schema)
    if (validate === undefined) this.#validators.set(schema, validate = this.#ajv.compile(closed(schema)))
    return validate(value) ? '' : this.#ajv.errorsText(validate.errors)
  }

  /** Calls an operation, and compares the request and the answer with the document. */
  async call (t: Test, operationId: string, { params = {}, query, headers = {}, cookie, token, body, remoteAddress, app = this.#app }: Call = {}): Promise<LightMyRequestResponse> {
    const operation = this.operations.get(operationId)
    if (operation === undefined) throw new Error(`no operation ${operationId}`)
    const url = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''))
    const answer = await app.inject({
      method: operation.method as NonNullable<InjectOptions['method']>,
      url,
      headers: {
        ...(cookie !== undefined && { cookie }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(typeof body === 'string' && { 'content-type': 'application/json' }),
        ...headers
      },
      ...(query !== undefined && { query }),
      ...(body !== undefined && { payload: body }),
      ...(remoteAddress !== undefined && { remoteAddress })
    })
    const name = `${operationId} ${answer.statusCode}`
    if (answer.statusCode < 400) this.#checkRequest(t, name, operation, { params, ...(query !== undefined && { query }), ...(body !== undefined && { body }) })
    else if (typeof body === 'object' && this.#bodyFaults(operation, body) === '') t.not(answer.json().field, 'body', `${name}: a body that the document allows is of the right kind`)
    this.#checkAnswer(t, name, operation, answer)
    this.seen.add(name)
    return answer
  }

  #bodyFaults ({ requestBody }: Operation, body: unknown): string {
    const schema = requestBody?.content['application/json']?.schema
    return schema === undefined ? 'no body is told' : this.faults(schema, body)
  }

  /** What is answered with success stands in the document. */
  #checkRequest (t: Test, name: string, operation: Operation, { params = {}, query = {}, body }: Call): void {
    const { parameters = [], requestBody } = operation
    for (const [place, given] of [['path', params], ['query', query]] as const) {
      const told = parameters.filter((parameter) => parameter.in === place)
      for (const [key, value] of Object.entries(given)) {
        const schema = told.find((parameter) => parameter.name === key)?.schema
        t.equal(schema === undefined ? 'not told' : this.faults(schema, value), '', `${name}: the parameter ${key}`)
      }
      for (const { name: key, required = false } of told) t.ok(!required || key in given, `${name}: the parameter ${key} may be left out`)
    }
    if (body !== undefined) t.equal(this.#bodyFaults(operation, typeof body === 'string' ? JSON.parse(body) : body), '', `${name}: the body of the request`)
    else t.not(requestBody?.required, true, `${name}: the body may be left out`)
  }

  #checkAnswer (t: Test, name: string, { responses }: Operation, answer: LightMyRequestResponse): void {
    const told = responses[String(answer.statusCode)]
    if (told === undefined) {
      t.fail(`${name} is in the document: ${answer.body}`)
      return
    }
    const { headers = {}, content } = told
    for (const key of TOLD) t.ok(!(key in answer.headers) || key in headers, `${name}: the header ${key} is in the document`)
    for (const [key, { schema }] of Object.entries(headers)) {
      for (const value of [answer.headers[key] ?? []].flat()) t.equal(this.faults(schema, value), '', `${name}: the header ${key}`)
    }
    const type = String(answer.headers['content-type'] ?? '').split(';', 1)[0] ?? ''
    if (content === undefined) {
      t.equal(answer.body, '', `${name} has no body`)
      return
    }
    const media = content[type]
    if (media === undefined) t.fail(`${name}: the type ${type} is in the document`)
    else t.equal(this.faults(media.schema, type.endsWith('json') ? answer.json() : answer.body), '', `${name}: ${answer.body.slice(0, 300)}`)
  }
}

/** Every schema in the document that examples belong to, with them. */
export function examplesOf (operation: Operation): { readonly schema: object, readonly value: unknown }[] {
  const media = [operation.requestBody?.content ?? {}, ...Object.values(operation.responses).map(({ content = {} }) => content)].flatMap((content) => Object.values(content))
  return media.flatMap(({ schema, examples = {} }) => Object.values(examples).map(({ value }) => ({ schema, value })))
}

const idOf = (name: string): string => `https://api.example/${name}`

/** The schema, refusing what it does not name. */
function closed (schema: object): object {
  return Object(close(schema, false))
}

function close (node: unknown, isPart: boolean): unknown {
  if (typeof node === 'string' && node.startsWith('#/components/schemas/')) return idOf(node.slice('#/components/schemas/'.length))
  if (Array.isArray(node)) return node.map((item) => close(item, isPart))
  if (typeof node !== 'object' || node === null) return node
  const copy: Record<string, unknown> = Object.fromEntries(Object.entries(node).map(([key, value]) =>
    [key, key === 'properties' ? Object.fromEntries(Object.entries(Object(value)).map(([name, schema]) => [name, close(schema, false)])) : close(value, key === 'allOf')]))
  const isObject = 'allOf' in copy || ('properties' in copy && !('additionalProperties' in copy))
  return isObject && !isPart ? { ...copy, unevaluatedProperties: false } : copy
}
