import t from 'tap'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { beginSession, openService } from '../helpers/service-app.js'

const visitsOf = (body: string): string | undefined => /Visits to this page<\/dt><dd>(\d+)</.exec(body)?.[1]

void t.test('a stranger sees that nothing is stored, and nothing is', async (t) => {
  const app = await openService(t)
  const answer = await app.inject('/')
  t.match(answer, { statusCode: 200, headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' } })
  t.match(answer.body, 'You are a stranger here')
  t.equal(answer.headers['set-cookie'], undefined)
})

void t.test('visits are counted in a session that is there, by GET alone', async (t) => {
  const app = await openService(t)
  const cookie = await beginSession(app)
  const visit = async (method: 'GET' | 'HEAD' = 'GET') => (await app.inject({ method, url: '/', headers: { cookie } })).body
  t.equal(visitsOf(await visit()), '1')
  await visit('HEAD')
  t.equal(visitsOf(await visit()), '2')
  await Promise.all(Array.from({ length: 20 }, async () => await visit()))
  t.equal(visitsOf(await visit()), '23', 'and none of those at once is lost')
})

void t.test('a count that somebody has edited begins anew', async (t) => {
  const store = new MemoryStore()
  const app = await openService(t, { store })
  const cookie = await beginSession(app)
  const { id } = (await app.inject({ url: '/session', headers: { cookie } })).json<{ id: string }>()
  const record = await store.get(id)
  if (record === null) throw new Error('no session')
  await store.save(id, record.secretHash, { set: { _visits: '<b>9</b>' }, unset: [], idleSeconds: 60 })
  t.equal(visitsOf((await app.inject({ url: '/', headers: { cookie } })).body), '1')
})

void t.test('a session that ends while the page is made is a stranger’s', async (t) => {
  class EndingStore extends MemoryStore {
    override async compareAndSave () { return null }
  }
  const app = await openService(t, { store: new EndingStore() })
  const cookie = await beginSession(app)
  const answer = await app.inject({ url: '/', headers: { cookie } })
  t.equal(answer.statusCode, 200)
  t.match(answer.body, 'You are a stranger here')
})

void t.test('attack: a host that is markup or a command does not reach the page', async (t) => {
  const app = await openService(t, { env: { TRUST_PROXY: 'true' } })
  for (const host of ['"><script>alert(1)</script>', 'x;rm -rf ~', 'x$(id)', "x'y"]) {
    const { body } = await app.inject({ url: '/', headers: { 'x-forwarded-host': host } })
    t.notOk(body.includes(host))
    t.match(body, 'http://localhost:3000/session')
  }
})

void t.test('the page needs no script, and all that it loads is here', async (t) => {
  const app = await openService(t)
  const { body } = await app.inject('/')
  t.notMatch(body, /<script|<style|\sstyle=|\son\w+=|javascript:/i)
  const loaded = [...body.matchAll(/<(?:link|img) [^>]*(?:href|src)="([^"]+)"/g)].map(([, href = '']) => href)
  t.equal(loaded.length, 3)
  for (const href of loaded) {
    const answer = await app.inject(href)
    t.match(answer, { statusCode: 200, headers: { 'cache-control': /^public, max-age=/ } }, href)
    t.equal(answer.headers['set-cookie'], undefined)
  }
})

void t.test('the commands on the page are for every curl', async (t) => {
  const app = await openService(t)
  const { body } = await app.inject('/')
  t.notMatch(body, '--json', 'which came with 7.82')
  t.match(body, /curl -c jar -X PATCH http:\/\/localhost:80\/session \\\n {2}-H 'content-type: application\/json' -d/)
})
