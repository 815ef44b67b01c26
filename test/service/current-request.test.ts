import t from 'tap'
import type { Test } from 'tap'
import { CurrentRequest } from '../../src/service/events/current-request.js'
import { gate, openApp } from '../helpers/session-app.js'

async function open (t: Test) {
  const current = new CurrentRequest()
  const [entered, leave] = [gate(), gate()]
  /** By the path of each request, what it was told to be when its handler had waited. */
  const seen = new Map<string, string | null>()
  const opened = await openApp(t, {
    routes: (app) => {
      current.watch(app, app.sessions)
      app.route({
        method: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
        url: '/at/:name',
        handler: async (request) => {
          await new Promise((resolve) => { setImmediate(resolve) })
          seen.set(request.url, current.request?.url ?? null)
          return 'told'
        }
      })
      app.post('/slow', async (request) => {
        entered.open()
        await leave.opened
        seen.set(request.url, current.request?.url ?? null)
        return 'told'
      })
      app.post('/wrong', async () => { throw new Error('a bug') })
    }
  })
  return { ...opened, current, seen, entered: entered.opened, leave: leave.open }
}

void t.test('what happens in a request that can end or begin a session is told of that request, and of others nothing is kept', async (t) => {
  const { app, current, seen } = await open(t)
  for (const method of ['POST', 'DELETE'] as const) {
    await Promise.all(['a', 'b', 'c'].map(async (name) => await app.inject({ method, url: `/at/${name}` })))
    t.strictSame([...seen], ['/at/a', '/at/b', '/at/c'].map((url) => [url, url]), method)
    seen.clear()
  }
  for (const method of ['GET', 'HEAD', 'PATCH'] as const) {
    await app.inject({ method, url: '/at/a' })
    t.strictSame([...seen], [['/at/a', null]], method)
  }
  t.equal(current.request, null)
})

void t.test('requests that come and go leave alone the one that is still answered, whether its client waits or not', async (t) => {
  for (const isGone of [false, true]) {
    const { app, seen, entered, leave } = await open(t)
    const client = new AbortController()
    const slow = app.inject({ method: 'POST', url: '/slow', signal: client.signal }).catch(() => 'gone')
    await entered
    if (isGone) client.abort()
    for (const url of ['/at/a', '/wrong', '/at/b']) await app.inject({ method: 'POST', url })
    await app.inject('/at/c')
    leave()
    await slow
    while (!seen.has('/slow')) await new Promise((resolve) => { setImmediate(resolve) })
    t.strictSame([...seen], [['/at/a', '/at/a'], ['/at/b', '/at/b'], ['/at/c', null], ['/slow', '/slow']], isGone ? 'its client has gone' : 'its client waits')
  }
})
