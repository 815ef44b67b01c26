import swagger from '@fastify/swagger'
import t from 'tap'
import { RequestError } from '../../src/plugins/problems.js'
import { openTokenApp, PASSWORD } from '../helpers/token-app.js'

const credentials = { email: 'ada@example.com', password: PASSWORD }

t.test('the schemas of answers take nothing away from what an application tells of its users', async (t) => {
  const profile = { id: 'ada', name: 'Ada', tags: ['a', { b: null }], at: new Date(0), session: 'hers', none: undefined, toJSON: undefined }
  const { app } = await openTokenApp(t, { auth: { findUser: async () => profile, document: { user: { type: 'object', properties: { id: { type: 'integer' } }, additionalProperties: false } } } })
  const answer = await app.inject({ method: 'POST', url: '/auth/login', payload: credentials })
  t.strictSame(answer.json().user, { id: 'ada', name: 'Ada', tags: ['a', { b: null }], at: '1970-01-01T00:00:00.000Z', session: 'hers' })
  t.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
})

t.test('an application that documents itself has the auth routes in its document, twice if it has them twice', async (t) => {
  const tooMany = new RequestError(429, 'ERR_SLOWLY', 'not so fast', undefined, { 'retry-after': '5' })
  const user = { type: 'object', required: ['id'], properties: { id: { type: 'string' } } }
  const { app } = await openTokenApp(t, {
    before: async (app) => { await app.register(swagger, { openapi: { openapi: '3.1.0' } }) },
    auth: { document: { user, refusals: { login: [tooMany] } } },
    routes: async (app) => {
      const { authRoutes } = await import('../../src/plugins/auth-routes.js')
      await app.register(authRoutes, { prefix: '/again', authenticate: async () => null })
    }
  })
  const { paths = {} } = app.swagger()
  const login: unknown = Reflect.get(paths, '/auth/login')?.post
  t.match(login, {
    operationId: 'login',
    responses: {
      200: { content: { 'application/json': { schema: { properties: { user: { required: ['id'] } } } } } },
      429: { headers: { 'retry-after': {} }, content: { 'application/problem+json': { examples: { ERR_SLOWLY: { value: { status: 429, detail: 'not so fast' } } } } } }
    }
  })
  t.notMatch(Reflect.get(paths, '/again/login')?.post, { responses: { 429: {} } })
  t.equal('/auth/register' in paths, false, 'a route that is not there is not in it')
})

t.test('the option "document" is checked', async (t) => {
  for (const document of [1, null, { users: {} }]) {
    await t.rejects(openTokenApp(t, { auth: { document: Object(document) === document ? Object(document) : JSON.parse(String(document)) } }), { name: 'TypeError', message: /document/ })
  }
})
