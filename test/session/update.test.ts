import t from 'tap'
import { newSession } from '../../src/testing/fixtures.js'
import { UpdateQueue } from '../../src/session/update-queue.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { ProbedStore } from '../helpers/session-store.js'
import { anySession, Browser, gate, openApp, setCookies, until, type AnySession, type TestApp } from '../helpers/session-app.js'

const increment = (n: unknown): number => Number(n ?? 0) + 1

const openWith = (t: Parameters<typeof openApp>[0], act: (session: AnySession) => unknown): Promise<TestApp> => openApp(t, {
  routes: (app) => {
    app.post('/do', async (request) => ({ result: await act(anySession(request)) }))
    app.post('/count', async (request) => await anySession(request).update('n', increment))
  }
})

t.test('200 updates at once in one process, over many requests, lose none', async (t) => {
  const { app, store } = await openWith(t, () => {})
  const browser = new Browser(app)
  await browser.post('/set/old/1')
  const answers = await Promise.all(Array.from({ length: 200 }, () => browser.copy().post('/count')))
  t.strictSame(answers.map(({ body }) => Number(body)).toSorted((a, b) => a - b), Array.from({ length: 200 }, (_, n) => n + 1))
  t.strictSame((await browser.session()).values, { old: '1', n: 200 })
  t.ok(store.calls.filter((method) => method === 'compareAndSave').length < 200, 'those that wait are committed together')
})

t.test('200 updates at once in one request, of a session that is not stored yet, make one row', async (t) => {
  const { app, store } = await openWith(t, async (session) => await Promise.all(Array.from({ length: 200 }, () => session.update('n', increment))))
  const browser = new Browser(app)
  const answer = await browser.post('/do')
  t.strictSame(answer.json().result, Array.from({ length: 200 }, (_, n) => n + 1))
  t.equal(store.calls.filter((method) => method === 'create').length, 1)
  t.equal(setCookies(answer).length, 1)
  t.strictSame((await browser.session()).values, { n: 200 })
})

t.test('200 updates by two processes on one store lose none', async (t) => {
  const store = new MemoryStore()
  const { id, secretHash } = await store.create(newSession())
  const session = { id, secretHash, idleSeconds: 60 }
  const queues = [new UpdateQueue(store), new UpdateQueue(store)]
  await Promise.all(Array.from({ length: 200 }, (_, n) => queues[n % 2]?.run(session, `k${n % 3}`, increment)))
  const values = (await store.get(id))?.values ?? {}
  t.equal(Object.values(values).reduce<number>((sum, n) => sum + Number(n), 0), 200)
})

t.test('update resolves to what was committed, and undefined deletes', async (t) => {
  const { app } = await openWith(t, async (session) => {
    t.equal(await session.update('a', (value) => { t.equal(value, undefined); return 1 }), 1)
    t.strictSame(await session.update('b', () => ({ deep: [1] })), { deep: [1] })
    t.equal(session.get('a'), 1, 'visible at once')
    t.equal(await session.update('a', () => undefined), undefined)
    t.equal(session.has('a'), false)
  })
  const browser = new Browser(app)
  await browser.post('/do')
  t.strictSame((await browser.session()).values, { b: { deep: [1] } })
})

t.test('an update that throws changes nothing, and those with it go on', async (t) => {
  const { app, store } = await openWith(t, async (session) => {
    const results = await Promise.allSettled([
      session.update('n', increment),
      session.update('n', () => { throw new RangeError('no') }),
      session.update('n', () => NaN),
      session.update('n', increment),
      session.update('__proto__', () => 1),
      session.update('n', increment)
    ])
    return results.map((result) => result.status === 'fulfilled' ? result.value : result.reason instanceof RangeError ? 'RangeError' : result.reason.code)
  })
  const browser = new Browser(app)
  await browser.post('/set/old/1')
  store.takeCalls()
  t.strictSame((await browser.post('/do')).json().result, [1, 'RangeError', 'ERR_SESSION_VALUE', 2, 'ERR_SESSION_VALUE', 3])
  t.strictSame((await browser.session()).values, { old: '1', n: 3 })
})

t.test('an update gets a frozen value', async (t) => {
  const { app } = await openWith(t, async (session) => {
    session.set('list', [1])
    await session.save()
    await t.rejects(session.update('list', (list) => { (list as number[]).push(2); return list }), { name: 'TypeError' })
    t.strictSame(session.get('list'), [1])
  })
  t.equal((await app.inject({ method: 'POST', url: '/do' })).statusCode, 200)
})

t.test('pending sets stay pending while an update commits', async (t) => {
  const { app, store } = await openWith(t, async (session) => {
    session.set('pending', 1)
    session.set('n', 'mine')
    t.equal(await session.update('n', increment), 1, 'fn gets the stored value')
    t.equal(session.isModified(), true)
    t.equal(session.get('n'), 'mine')
    t.strictSame((await store.get(session.id))?.values, { n: 1 })
    await session.reload()
    t.strictSame(session.values, { n: 1 })
  })
  const browser = new Browser(app)
  t.equal((await browser.post('/do')).statusCode, 200)
  t.strictSame((await browser.session()).values, { n: 1 })
})

t.test('too large is refused to the guilty caller alone', async (t) => {
  const big = 'x'.repeat(60_000)
  const { app, store } = await openWith(t, async (session) => {
    for (let k = 0; k < 4; k++) session.set(`big${k}`, big)
    await session.save()
    const [held, entered] = [gate(), gate()]
    store.before = async (method) => {
      if (method !== 'compareAndSave') return
      entered.open()
      await held.opened
    }
    const first = session.update('n', increment)
    await entered.opened
    const waiting = [session.update('n', increment), session.update('big4', () => big), session.update('n', increment)]
    held.open()
    const results = await Promise.allSettled([first, ...waiting])
    return results.map((result) => result.status === 'fulfilled' ? result.value : result.reason.code)
  })
  t.strictSame((await app.inject({ method: 'POST', url: '/do' })).json().result, [1, 2, 'ERR_SESSION_TOO_LARGE', 3])
  t.ok(store)
})

t.test('an update that threw because of a neighbour that was refused is not told so: it runs on what is stored', async (t) => {
  const big = 'x'.repeat(60_000)
  let told: unknown
  const { app, store } = await openWith(t, async (session) => {
    for (let k = 0; k < 4; k++) session.set(`big${k}`, big)
    await session.save()
    const [held, entered] = [gate(), gate()]
    store.before = async (method) => {
      if (method !== 'compareAndSave') return
      entered.open()
      await held.opened
    }
    const first = session.update('n', increment)
    await entered.opened
    const guilty = session.update('state', () => big)
    const neighbour = session.update('state', (state) => {
      if (state !== undefined) throw new Error('somebody was here before')
      return 'mine'
    })
    held.open()
    const results = await Promise.allSettled([first, guilty, neighbour])
    told = results.map((result) => result.status === 'fulfilled' ? result.value : result.reason.code ?? result.reason.message)
  })
  const browser = new Browser(app)
  await browser.post('/do')
  const stored = (await browser.session()).values['state']
  t.strictSame(told, [1, 'ERR_SESSION_TOO_LARGE', 'mine'])
  t.equal(stored, 'mine', 'what was told is what is stored')
})

t.test('an update that throws on what another process has replaced runs again on what is stored', async (t) => {
  const memory = new MemoryStore()
  const store = new ProbedStore(memory)
  const { id, secretHash } = await store.create(newSession({ set: { stock: 0 } }))
  const queue = new UpdateQueue(store)
  const session = { id, secretHash, idleSeconds: 60 }
  const take = (stock: unknown): number => {
    if (Number(stock) < 1) throw new RangeError('sold out')
    return Number(stock) - 1
  }
  let second: Promise<{ value: unknown }> | undefined
  store.after = async (method) => {
    if (method !== 'compareAndSave' || second !== undefined) return
    second = queue.run(session, 'stock', take) // waits for the one that has just been committed
    await memory.save(id, secretHash, { set: { stock: 5 }, unset: [], idleSeconds: 60 }) // another process
  }
  await queue.run(session, 'other', increment)
  t.equal((await second)?.value, 4)
})

t.test('updates of a session that has ended, expired or was replaced reject with ERR_SESSION_GONE, all of them', async (t) => {
  const store = new MemoryStore()
  const { id, secretHash } = await store.create(newSession())
  await store.delete(id)
  const queue = new UpdateQueue(store)
  const results = await Promise.allSettled(Array.from({ length: 5 }, () => queue.run({ id, secretHash, idleSeconds: 60 }, 'n', increment)))
  for (const result of results) t.match(result, { status: 'rejected', reason: { code: 'ERR_SESSION_GONE' } })
})

t.test('updates that the storage fails reject with ERR_STORE, and the next one works', async (t) => {
  const store = new ProbedStore(new MemoryStore())
  const { id, secretHash } = await store.create(newSession())
  const queue = new UpdateQueue(store)
  const session = { id, secretHash, idleSeconds: 60 }
  store.break('compareAndSave')
  await t.rejects(queue.run(session, 'n', increment), { code: 'ERR_STORE' })
  store.break('get')
  await t.rejects(queue.run(session, 'n', increment), { code: 'ERR_STORE' })
  store.mend()
  t.equal((await queue.run(session, 'n', increment)).value, 1)
})

t.test('an update and a regenerate at once in one request end with a session that works', async (t) => {
  for (const order of ['update first', 'regenerate first'] as const) {
    for (const slow of ['compareAndSave', 'save', null] as const) {
      const { app, store } = await openWith(t, async (session) => {
        const held = gate()
        let passed = 0
        store.before = async (method) => { if (method === slow) await held.opened }
        store.after = (method) => { if ((method === 'compareAndSave' || method === 'save') && ++passed === 1) held.open() }
        const acts = order === 'update first'
          ? [session.update('n', increment), session.regenerate(['n', 'old'])]
          : [session.regenerate(['n', 'old']), session.update('n', increment)]
        await Promise.all(acts)
        store.mend()
        session.set('after', 1)
      })
      const browser = new Browser(app)
      await browser.post('/login/ada')
      await browser.post('/set/old/1')
      const answer = await browser.post('/do')
      t.equal(answer.statusCode, 200, answer.body)
      t.match(await browser.session(), { userId: 'ada', values: { old: '1', n: 1, after: 1 }, isNew: false }, `${order}, ${String(slow)} held`)
    }
  }
})

t.test('an update of a visitor and a sign-in in one request make one session', async (t) => {
  const { app, store } = await openWith(t, async (session) => {
    session.setUserId('ada')
    session.set('kept', 1)
    return await session.update('n', increment)
  })
  const browser = new Browser(app)
  await browser.post('/set/old/1')
  store.takeCalls()
  await browser.post('/do')
  t.match(await browser.session(), { userId: 'ada', values: { old: '1', kept: 1, n: 1 } })
  t.equal(store.takeCalls().filter((method) => method === 'create').length, 1)
})

t.test('an update whose answer comes late does not undo the view of a later one', async (t) => {
  const { app, store } = await openWith(t, async (session) => {
    const late = gate()
    let held = false
    store.after = async (method) => {
      if (method !== 'compareAndSave' || held) return
      held = true
      await late.opened
    }
    const first = session.update('a', () => 1)
    await until(() => held, 'the first is committed')
    session.set('b', 2)
    await session.save()
    late.open()
    await first
    t.strictSame(session.values, { old: '1', a: 1, b: 2 })
  })
  const browser = new Browser(app)
  await browser.post('/set/old/1')
  t.equal((await browser.post('/do')).statusCode, 200)
})
