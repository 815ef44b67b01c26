import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { MemoryStore, sessions } from '../../src/index.js'

const OFF = { config: { session: false } }
const answer = async (request: FastifyRequest): Promise<object> => ({ has: request.session !== null })
const register = async (app: FastifyInstance): Promise<void> => { await app.register(sessions, { store: new MemoryStore(), authKey: randomBytes(32), cleanupInterval: 0 }) }

/** What the routes say of their sessions. */
async function said (t: Test, app: FastifyInstance, urls: readonly string[]): Promise<unknown[]> {
  t.teardown(() => app.close())
  return await Promise.all(urls.map(async (url) => (await app.inject(url)).json().has))
}

t.test('a route that was declared before the plugin was loaded has opted out', async (t) => {
  const app = Fastify()
  app.get('/off', OFF, answer)
  app.get('/on', answer)
  await register(app)
  t.strictSame(await said(t, app, ['/off', '/on', '/off']), [false, true, false])
})

t.test('a route that a later hook opts out has opted out', async (t) => {
  const app = Fastify()
  await register(app)
  app.addHook('onRoute', (route) => { if (route.url === '/off') route.config = { ...route.config, session: false } })
  app.get('/off', answer)
  app.get('/on', answer)
  t.strictSame(await said(t, app, ['/on', '/off', '/on']), [true, false, true])
})

t.test('a route of a nested context has opted out, and those beside it have not', async (t) => {
  const app = Fastify()
  await register(app)
  await app.register(async (nested) => {
    nested.get('/off', OFF, answer)
    nested.get('/on', answer)
  }, { prefix: '/nested' })
  app.get('/on', answer)
  t.strictSame(await said(t, app, ['/on', '/nested/off', '/nested/on']), [true, false, true])
})

t.test('a route of a context that was there before the plugin has opted out', async (t) => {
  const app = Fastify()
  let before: FastifyInstance | undefined
  await app.register(async (nested) => { before = nested })
  await register(app)
  before?.get('/off', OFF, answer)
  before?.get('/on', answer)
  app.get('/', answer)
  t.strictSame(await said(t, app, ['/on', '/off', '/']), [true, false, true])
})

t.test('a handler of what is not found can opt out where no route has', async (t) => {
  const app = Fastify()
  await register(app)
  app.get('/on', answer)
  app.setNotFoundHandler(OFF as object, answer)
  t.strictSame(await said(t, app, ['/on', '/nowhere']), [true, false])
})

t.test('where no route has opted out all have a session', async (t) => {
  const app = Fastify()
  await register(app)
  app.get('/on', answer)
  app.get('/set', { config: { session: true } }, answer)
  app.setNotFoundHandler(answer)
  t.strictSame(await said(t, app, ['/on', '/set', '/nowhere']), [true, true, true])
})
