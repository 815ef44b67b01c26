import t from 'tap'
import { identityOfSession } from '../../src/plugins/identity.js'
import type { RequestSession } from '../../src/session/request-session.js'
import { deepFreeze } from '../../src/session/values.js'
import type { JsonObject, SessionRecord } from '../../src/session/store.js'
import { anySession, Browser, openApp } from '../helpers/session-app.js'

t.test('nothing that a request does to its session changes a record that the store has given to others too', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.post('/list', async (request) => {
      anySession(request).setUserId('ada')
      anySession(request).set('list', [1, 2])
      return {}
    }).post('/all', async (request) => {
      const session = anySession(request)
      session.expiresAt.setTime(0)
      session.createdAt.setTime(0)
      identityOfSession(request.session as unknown as RequestSession)?.authenticatedAt?.setTime(0)
      t.throws(() => { Object.assign(session.get('list') as object, { 0: 'changed' }) }, TypeError)
      session.set('a', 1)
      session.delete('old')
      t.throws(() => { Object.assign(session.values, { old: 'changed' }) }, TypeError)
      await session.update('n', (n) => Number(n ?? 0) + 1)
      await session.save()
      session.touch()
      await session.regenerate(['list'])
      await session.reload()
      session.set('list', 'another')
      return session.values
    })
  })
  const given = new Map<SessionRecord, string>()
  Object.assign(store, {
    async view (id: string): Promise<SessionRecord | null> {
      const record = await store.get(id)
      if (record === null) return null
      deepFreeze(record.values)
      deepFreeze(record.claims as JsonObject)
      Object.freeze(record)
      given.set(record, JSON.stringify(record))
      return record
    }
  })
  const browser = new Browser(app)
  await browser.post('/set/old/1')
  await browser.post('/list')
  const answer = await browser.post('/all')
  t.equal(answer.statusCode, 200)
  t.same(answer.json(), { list: 'another' })
  t.equal((await browser.post('/set/last/3')).statusCode, 200)
  t.ok(given.size >= 3, `${given.size} records were given`)
  for (const [record, before] of given) t.equal(JSON.stringify(record), before)
})
