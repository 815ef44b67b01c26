import { randomBytes } from 'node:crypto'
import t from 'tap'
import { newSecret } from '../../src/core/credential.js'
import { RefreshTokenCodec } from '../../src/tokens/refresh-token.js'
import type { TokenPair } from '../../src/tokens/tokens.js'
import { Browser, gate, LogLines, until } from '../helpers/session-app.js'
import { listen, openIssuer, REFRESH_KEY } from './issuer-app.js'

const DAY = 86_400
const turn = async (): Promise<void> => { await new Promise((resolve) => { setImmediate(resolve) }) }
const codec = new RefreshTokenCodec([REFRESH_KEY])
const refreshOf = ({ refreshToken }: TokenPair): string => refreshToken ?? ''
const secretsIn = (token: string): string[] => {
  const read = codec.decode(token)
  return read === null ? [] : [read.secret, read.hash].flatMap((bytes) => [bytes.toString('hex'), bytes.toString('base64'), bytes.toString('base64url')])
}

t.test('issue gives the first pair of the session, and sets the times of its row', async (t) => {
  const { issuer, sessions, clock, store, signIn } = await openIssuer(t)
  const { browser, pair } = await signIn('ada', { claims: { isAdmin: true, roles: ['a'] } })
  const { id } = await browser.session()
  t.match(pair, { sessionId: id, rotatesIn: 90, refreshTokenExpiresAt: new Date(clock.now().getTime() + 30 * DAY * 1000) })
  t.ok(pair.expiresIn >= 855 && pair.expiresIn <= 900)
  t.equal(pair.accessTokenExpiresAt.getTime(), clock.now().getTime() + pair.expiresIn * 1000)
  t.strictSame(store.takeCalls(), ['createRefreshToken'])
  t.match(codec.decode(refreshOf(pair)), { sessionId: id, generation: 1 })
  t.match(await issuer.verify(pair.accessToken), { userId: 'ada', isAdmin: true, roles: ['a'], sessionId: id, generation: 1, confirms: true, authenticatedAt: clock.now() })
  const record = await sessions.get(id)
  t.equal(record?.maxAge, 30 * DAY)
  t.equal((record?.absoluteExpiresAt.getTime() ?? 0) - (record?.createdAt.getTime() ?? 0), 60 * DAY * 1000)
})

t.test('issue refuses a session in which nobody is signed in, and a route without a session, and stores nothing', async (t) => {
  const { app, store } = await openIssuer(t)
  const browser = new Browser(app)
  for (const url of ['/again', '/off']) {
    const answer = await browser.post(url)
    t.equal(answer.statusCode, 401)
    t.equal(answer.json().code, 'ERR_NOT_SIGNED_IN')
  }
  t.strictSame(store.takeCalls(), [])
})

t.test('a session with a lineage that issues again gets a new id: the old row and its tokens are gone, the browser stays signed in', async (t) => {
  const { issuer, sessions, clock, signIn } = await openIssuer(t)
  const { browser, pair } = await signIn()
  await browser.post('/set/a/1')
  const answer = await browser.post('/again')
  t.equal(answer.statusCode, 200, answer.body)
  const next = answer.json()
  t.not(next.sessionId, pair.sessionId)
  t.match(await browser.session(), { id: next.sessionId, userId: 'ada', values: { a: '1' } })
  t.equal(await sessions.get(pair.sessionId), null)
  await t.rejects(issuer.refresh(refreshOf(pair)), { code: 'ERR_TOKEN_REVOKED' })
  await t.rejects(issuer.verify(pair.accessToken), { code: 'ERR_UNAUTHENTICATED' })
  t.match(codec.decode(next.refreshToken), { generation: 1 })
  clock.advance(90)
  t.match(await issuer.refresh(next.refreshToken), { sessionId: next.sessionId, refreshToken: String }, 'the new lineage lives')
})

t.test('two requests that issue for one session at once both get an answer, and one lineage lives', async (t) => {
  const { issuer, store, signIn } = await openIssuer(t)
  const { browser } = await signIn()
  const answers = await Promise.all([browser.copy().post('/again'), browser.copy().post('/again')])
  for (const { statusCode } of answers) t.ok(statusCode === 200 || statusCode === 409, String(statusCode))
  const pairs = answers.filter(({ statusCode }) => statusCode === 200).map((answer) => answer.json())
  const living = await Promise.all(pairs.map(async ({ refreshToken }) => await issuer.inspect(refreshToken).then(() => true, () => false)))
  t.equal(living.filter(Boolean).length, 1)
  store.takeCalls()
})

t.test('ROTATE: after minGenerationAge a refresh gives the next generation, in one call of the store', async (t) => {
  const { issuer, store, clock, signIn } = await openIssuer(t)
  const { pair } = await signIn()
  clock.advance(90)
  store.takeCalls()
  const next = await issuer.refresh(refreshOf(pair))
  t.strictSame(store.takeCalls(), ['rotateRefreshToken'])
  t.match(codec.decode(refreshOf(next)), { sessionId: pair.sessionId, generation: 2, secret: codec.decode(refreshOf(pair))?.successors[0].secret })
  t.match(await issuer.verify(next.accessToken), { generation: 2, issuedAt: clock.now().getTime() })
  t.equal(next.rotatesIn, 90)
  t.equal(next.refreshTokenExpiresAt.getTime(), clock.now().getTime() + 30 * DAY * 1000)
})

t.test('EARLY: before that a refresh gives an access token alone, and says when it would rotate', async (t) => {
  const { issuer, clock, signIn } = await openIssuer(t)
  const { pair } = await signIn()
  clock.advance(30.5)
  const early = await issuer.refresh(refreshOf(pair))
  t.notOk('refreshToken' in early)
  t.equal(early.rotatesIn, 60)
  t.match(await issuer.verify(early.accessToken), { generation: 1 })
})

t.test('REPLAY: a lost answer is given again, bit for bit, by any process, an hour later', async (t) => {
  const { issuer, clock, signIn, sibling } = await openIssuer(t)
  const other = await sibling()
  const { pair } = await signIn()
  clock.advance(90)
  const lost = await issuer.refresh(refreshOf(pair))
  clock.advance(3600)
  const again = await other.issuer.refresh(refreshOf(pair))
  t.equal(again.refreshToken, lost.refreshToken)
  t.match(await issuer.verify(again.accessToken), { generation: 2 })
  t.equal(again.refreshTokenExpiresAt.getTime(), lost.refreshTokenExpiresAt.getTime(), 'its end is not moved')
})

t.test('REPLAY: keys that are rotated in between, in either order of the list, give the same successor; without its key it is refused and nothing is blocked', async (t) => {
  const { issuer, clock, signIn, sibling } = await openIssuer(t)
  const key = randomBytes(32)
  const { pair } = await signIn()
  clock.advance(90)
  const lost = codec.decode(refreshOf(await issuer.refresh(refreshOf(pair))))
  for (const refreshKey of [[key, REFRESH_KEY], [REFRESH_KEY, key]]) {
    const again = await (await sibling({ refreshKey })).issuer.refresh(refreshOf(pair))
    const read = new RefreshTokenCodec(refreshKey).decode(refreshOf(again))
    t.strictSame([read?.secret, read?.generation], [lost?.secret, 2])
  }
  await t.rejects((await sibling({ refreshKey: key })).issuer.refresh(refreshOf(pair)), { code: 'ERR_TOKEN_INVALID' })
  t.ok(await issuer.refresh(refreshOf(pair)))
})

t.test('REPLAY: with the keys in either order on two nodes, whichever text of a generation the jar holds, a lost answer is given again', async (t) => {
  const key = randomBytes(32)
  for (const [first, second] of [[[REFRESH_KEY, key], [key, REFRESH_KEY]], [[key, REFRESH_KEY], [REFRESH_KEY, key]]] as const) {
    const a = await openIssuer(t, { options: { refreshKey: first } })
    const b = await a.sibling({ refreshKey: second })
    const { pair } = await a.signIn()
    a.clock.advance(90)
    const early = await a.issuer.refresh(refreshOf(pair))
    const late = await b.issuer.refresh(refreshOf(pair))
    t.not(refreshOf(late), refreshOf(early), 'two texts')
    a.clock.advance(90)
    const lost = await b.issuer.refresh(refreshOf(early))
    a.clock.advance(3600)
    for (const { issuer } of [a, b]) {
      const again = await issuer.refresh(refreshOf(late))
      t.equal(issuer.sessionIdOf(refreshOf(again)), pair.sessionId)
      if (issuer === b.issuer) t.equal(again.refreshToken, lost.refreshToken, 'bit for bit, where the order is the same')
      const [read, given] = [again, lost].map((of) => new RefreshTokenCodec(first).decode(refreshOf(of)))
      t.match(read, { secret: given?.secret, generation: 3 })
    }
    a.clock.advance(90)
    t.ok((await a.issuer.refresh(refreshOf(await a.issuer.refresh(refreshOf(late))))).accessToken, 'and its own successor works')
  }
})

t.test('STRAGGLER, then REUSE: a superseded token whose successor was used gets an access token for a while; later it ends the session, with one alarm', async (t) => {
  const { issuer, manager, clock, signIn } = await openIssuer(t)
  const told = listen(t, issuer)
  const { browser, pair } = await signIn()
  const signal = await browser.session().then(({ id }) => manager.signals.watch(id).signal)
  clock.advance(90)
  const next = await issuer.refresh(refreshOf(pair))
  issuer.seen(await issuer.verify(next.accessToken))
  await turn()
  clock.advance(30)
  const late = await issuer.refresh(refreshOf(pair))
  t.equal(late.superseded, true)
  t.notOk('refreshToken' in late)
  t.match(await issuer.verify(late.accessToken), { generation: 2 })
  clock.advance(0.001)
  await t.rejects(issuer.refresh(refreshOf(pair)), { code: 'ERR_TOKEN_REUSED', statusCode: 401, oauthError: 'invalid_grant' })
  await t.rejects(issuer.refresh(refreshOf(pair)), { code: 'ERR_SESSION_BLOCKED' })
  await t.rejects(issuer.refresh(refreshOf(next)), { code: 'ERR_SESSION_BLOCKED' })
  for (const { accessToken } of [next, late]) await t.rejects(issuer.verify(accessToken), { code: 'ERR_UNAUTHENTICATED' })
  t.match(await browser.session(), { userId: null }, 'its cookie, too')
  t.ok(signal.aborted)
  t.match(await manager.list('ada'), [{ blockedReason: 'refresh_reuse' }])
  t.strictSame(told.map(({ event, outcome }) => outcome ?? event), ['tokenIssued', 'ROTATE', 'STRAGGLER', 'REUSE', 'tokenReused', 'BLOCKED', 'BLOCKED'])
})

t.test('R03: after a REUSE the process that saw it refuses the access tokens at once, though the feed says nothing', async (t) => {
  const { issuer, store, clock, signIn } = await openIssuer(t)
  const { pair } = await signIn()
  clock.advance(90)
  const second = await issuer.refresh(refreshOf(pair))
  clock.advance(90)
  const third = await issuer.refresh(refreshOf(second))
  await issuer.verify(third.accessToken)
  store.isFeedDown = true
  await t.rejects(issuer.refresh(refreshOf(pair)), { code: 'ERR_TOKEN_REUSED' })
  t.throws(() => issuer.verifyKnown(third.accessToken), { code: 'ERR_UNAUTHENTICATED' })
})

t.test('V42: a token two generations old ends the session inside every window', async (t) => {
  const { issuer, clock, signIn } = await openIssuer(t)
  const { pair } = await signIn()
  clock.advance(90)
  const second = await issuer.refresh(refreshOf(pair))
  clock.advance(90)
  const third = await issuer.refresh(refreshOf(second))
  await t.rejects(issuer.refresh(refreshOf(pair)), { code: 'ERR_TOKEN_REUSED' })
  await t.rejects(issuer.refresh(refreshOf(third)), { code: 'ERR_SESSION_BLOCKED' })
})

t.test('AHEAD: a genuine token that is newer than the database is accepted, as it is, with an event', async (t) => {
  const { issuer, clock, signIn } = await openIssuer(t)
  const told = listen(t, issuer)
  const { pair: { sessionId } } = await signIn()
  clock.advance(5)
  const ahead = codec.encode({ sessionId, generation: 9, secret: newSecret() })
  const answer = await issuer.refresh(ahead)
  t.notOk('refreshToken' in answer)
  t.match(await issuer.verify(answer.accessToken), { generation: 9 })
  t.match(told.at(-1), { event: 'tokenAhead', sessionId, generation: 9 })
})

t.test('MISMATCH: another secret of the same generation is refused with an event, and blocks nothing', async (t) => {
  const { issuer, clock, signIn } = await openIssuer(t)
  const told = listen(t, issuer)
  const { pair } = await signIn()
  clock.advance(90)
  await t.rejects(issuer.refresh(codec.encode({ sessionId: pair.sessionId, generation: 1, secret: newSecret() })), { code: 'ERR_TOKEN_INVALID' })
  t.match(told.at(-1), { event: 'tokenMismatch', generation: 1 })
  t.ok((await issuer.refresh(refreshOf(pair))).refreshToken)
})

t.test('C: forged tokens that name a real session are refused without a call of the store, told, and change nothing', async (t) => {
  const { issuer, store, clock, signIn } = await openIssuer(t)
  const told = listen(t, issuer)
  const { pair } = await signIn()
  clock.advance(90)
  store.takeCalls()
  const stranger = new RefreshTokenCodec([randomBytes(32)])
  const forged = [1, 2, 3].map((generation) => stranger.encode({ sessionId: pair.sessionId, generation, secret: newSecret() }))
  for (const token of [...forged, '', 'rt_', pair.accessToken, refreshOf(pair).slice(0, -1), `${refreshOf(pair)} `]) {
    await t.rejects(issuer.refresh(token), { code: 'ERR_TOKEN_INVALID' })
    await t.rejects(issuer.inspect(token), { code: 'ERR_TOKEN_INVALID' })
    t.equal(await issuer.revoke(token), false)
  }
  t.strictSame(store.takeCalls(), [])
  t.equal(told.filter(({ outcome }) => outcome === 'FORGED').length, 8)
  t.ok((await issuer.refresh(refreshOf(pair))).refreshToken)
})

t.test('R10: a refresh token is no access token, and no forged access token costs a call of the store', async (t) => {
  const { issuer, store, signIn } = await openIssuer(t)
  const { pair } = await signIn()
  store.sink?.broken()
  store.takeCalls()
  for (const token of [refreshOf(pair), '', 'a.b.c', `${pair.accessToken}x`, pair.accessToken.replace(/\.[^.]+$/, '.AAAA')]) {
    await t.rejects(issuer.verify(token), { code: 'ERR_UNAUTHENTICATED', oauthError: 'invalid_token' })
    t.equal(issuer.verifyKnown(token), null)
  }
  t.strictSame(store.takeCalls(), [])
})

t.test('WRONG USER: a refresh token in a request with another user\'s cookie or access token is refused; its own user\'s is not', async (t) => {
  const { app, signIn } = await openIssuer(t)
  const [ada, bob] = [await signIn('ada'), await signIn('bob')]
  const payload = { token: refreshOf(ada.pair) }
  for (const url of ['/refresh', '/inspect']) {
    t.equal((await bob.browser.post(url, { payload })).json().code, 'ERR_TOKEN_WRONG_USER')
    t.equal((await new Browser(app).post(url, { payload, headers: { authorization: `Bearer ${bob.pair.accessToken}` } })).json().code, 'ERR_TOKEN_WRONG_USER')
    t.equal((await bob.browser.post(url, { payload, headers: { authorization: `Bearer ${ada.pair.accessToken}` } })).json().code, 'ERR_TOKEN_CONFLICT')
    t.equal((await ada.browser.post(url, { payload, headers: { authorization: `Bearer ${ada.pair.accessToken}` } })).statusCode, 200)
    t.equal((await new Browser(app).post(url, { payload, headers: { authorization: 'Bearer nonsense' } })).statusCode, 200)
  }
})

t.test('inspect tells whose token it is and changes nothing', async (t) => {
  const { issuer, clock, signIn } = await openIssuer(t)
  const told = listen(t, issuer)
  const { pair } = await signIn()
  clock.advance(90)
  t.strictSame(await issuer.inspect(refreshOf(pair)), { sessionId: pair.sessionId, userId: 'ada', generation: 1 })
  const next = await issuer.refresh(refreshOf(pair))
  clock.advance(90)
  await issuer.refresh(refreshOf(next))
  await t.rejects(issuer.inspect(refreshOf(pair)), { code: 'ERR_TOKEN_REUSED' })
  t.ok(await issuer.inspect(refreshOf(next)), 'nothing was blocked')
  t.notOk(told.some(({ event }) => event === 'tokenReused'))
})

t.test('R13, R14: revoke ends the session of a genuine token of whatever generation, cookie and access tokens too, once', async (t) => {
  const { issuer, clock, signIn } = await openIssuer(t)
  const told = listen(t, issuer)
  const [{ browser, pair }, other] = [await signIn(), await signIn()]
  clock.advance(90)
  const next = await issuer.refresh(refreshOf(pair))
  t.equal(await issuer.revoke(refreshOf(pair)), true)
  await t.rejects(issuer.verify(next.accessToken), { code: 'ERR_UNAUTHENTICATED' })
  await t.rejects(issuer.refresh(refreshOf(next)), { code: 'ERR_TOKEN_REVOKED' })
  t.match(await browser.session(), { userId: null })
  t.equal(await issuer.revoke(refreshOf(next)), false)
  t.match(told.filter(({ event }) => event === 'tokenRevoked'), [{ sessionId: pair.sessionId, reason: 'revoked' }])
  t.ok(await issuer.verify(other.pair.accessToken), 'I12: the other device stays')
})

t.test('I8: when the storage fails nothing is told as done, and the same token works afterwards', async (t) => {
  const { issuer, store, clock, signIn } = await openIssuer(t)
  const { pair } = await signIn()
  clock.advance(90)
  store.break('revokeRefreshToken')
  await t.rejects(issuer.revoke(refreshOf(pair)), { code: 'ERR_STORE' })
  t.ok(await issuer.verify(pair.accessToken))
  store.break('rotateRefreshToken')
  await t.rejects(issuer.refresh(refreshOf(pair)), { code: 'ERR_STORE' })
  store.mend()
  t.match(codec.decode(refreshOf(await issuer.refresh(refreshOf(pair)))), { generation: 2 })
})

t.test('a genuine token names its session without a call of the store, a forged one names none', async (t) => {
  const { issuer, store, signIn } = await openIssuer(t)
  const { pair } = await signIn()
  store.takeCalls()
  t.equal(issuer.sessionIdOf(refreshOf(pair)), pair.sessionId)
  t.equal(issuer.sessionIdOf(new RefreshTokenCodec([randomBytes(32)]).encode({ sessionId: pair.sessionId, generation: 1, secret: newSecret() })), null)
  t.strictSame(store.takeCalls(), [])
})

t.test('end takes a session id, and nonsense ends nothing and asks nobody', async (t) => {
  const { issuer, store, signIn } = await openIssuer(t)
  const { pair } = await signIn()
  store.takeCalls()
  for (const id of ['', 'x', pair.sessionId.toUpperCase(), `${pair.sessionId} `, "' OR 1=1"]) t.equal(await issuer.end(id, 'test'), false)
  t.strictSame(store.takeCalls(), [])
  t.equal(await issuer.end(pair.sessionId, 'logout'), true)
  t.equal(await issuer.end(pair.sessionId, 'logout'), false)
  await t.rejects(issuer.verify(pair.accessToken), { code: 'ERR_UNAUTHENTICATED' })
})

t.test('J13: whatever ends or changes a session here refuses its access tokens at once, though the feed says nothing', async (t) => {
  const ways: Record<string, (parts: Awaited<ReturnType<typeof openIssuer>>, id: string, browser: Browser) => Promise<unknown>> = {
    'an end by id': async ({ manager }, id) => await manager.end(id),
    'an end of all': async ({ manager }) => await manager.endAll('ada'),
    'a block': async ({ manager }, id) => await manager.block(id, 'test'),
    'session.destroy': async (_, __, browser) => await browser.post('/destroy'),
    'a sign-out': async (_, __, browser) => await browser.post('/logout'),
    'another sign-in on the same browser': async (_, __, browser) => await browser.post('/login/eve'),
    'tokens.end': async ({ issuer }, id) => await issuer.end(id, 'test'),
    'a second lineage': async (_, __, browser) => await browser.post('/again')
  }
  for (const [way, work] of Object.entries(ways)) {
    const parts = await openIssuer(t)
    const { browser, pair } = await parts.signIn()
    t.ok(await parts.issuer.verify(pair.accessToken))
    parts.store.isFeedDown = true
    await work(parts, pair.sessionId, browser)
    t.throws(() => parts.issuer.verifyKnown(pair.accessToken), { code: 'ERR_UNAUTHENTICATED' }, way)
  }
})

t.test('what another process ends or blocks is refused here, and a block that is lifted works again', async (t) => {
  const here = await openIssuer(t)
  const there = await here.sibling()
  const { pair } = await here.signIn()
  await there.manager.block(pair.sessionId, 'test')
  await t.rejects(here.issuer.verify(pair.accessToken), { code: 'ERR_UNAUTHENTICATED' })
  await here.manager.unblock(pair.sessionId)
  t.ok(await here.issuer.verify(pair.accessToken))
  t.ok(await there.issuer.verify(pair.accessToken), 'on the process that blocked it, too')
  const { signal } = here.manager.signals.watch(pair.sessionId)
  await there.manager.end(pair.sessionId)
  await t.rejects(here.issuer.verify(pair.accessToken), { code: 'ERR_UNAUTHENTICATED' })
  t.ok(signal.aborted, 'session.signal fires here')
})

t.test('new claims refuse the access tokens with the old ones; the next refresh has them', async (t) => {
  const { issuer, manager, signIn } = await openIssuer(t)
  const { pair } = await signIn()
  await manager.setClaims('ada', { isAdmin: true })
  await t.rejects(issuer.verify(pair.accessToken), { code: 'ERR_UNAUTHENTICATED' })
  const next = await issuer.refresh(refreshOf(pair))
  t.match(await issuer.verify(next.accessToken), { isAdmin: true })
})

t.test('while the feed is whole a request costs no call of the store; while it is broken each costs one, and the store decides', async (t) => {
  const { issuer, store, manager, signIn } = await openIssuer(t)
  const { pair } = await signIn()
  store.takeCalls()
  t.equal(issuer.verifyKnown(pair.accessToken), null, 'not known yet')
  const access = await issuer.verify(pair.accessToken)
  for (let n = 0; n < 100; n++) t.equal(issuer.verifyKnown(pair.accessToken), access)
  t.strictSame(store.takeCalls(), [])
  store.sink?.broken()
  t.equal(issuer.verifyKnown(pair.accessToken), null)
  t.equal(await issuer.verify(pair.accessToken), access)
  t.strictSame(store.takeCalls(), ['isAccessValid'])
  store.isFeedDown = true
  await manager.store.delete(pair.sessionId)
  await t.rejects(issuer.verify(pair.accessToken), { code: 'ERR_UNAUTHENTICATED' })
  store.break('isAccessValid')
  await t.rejects(issuer.verify(pair.accessToken), { code: 'ERR_STORE' }, 'nobody can say: not let in')
})

t.test('attack: a token of a session of which something is announced and not read yet is not let in by memory: the store is asked', async (t) => {
  const { issuer, store, manager, signIn } = await openIssuer(t)
  const [{ pair }, other] = [await signIn(), await signIn('bob')]
  for (const { accessToken } of [pair, other.pair]) await issuer.verify(accessToken)
  store.isFeedDown = true
  store.unread.add(pair.sessionId)
  store.takeCalls()
  t.equal(issuer.verifyKnown(pair.accessToken), null)
  t.ok(await issuer.verify(pair.accessToken))
  t.strictSame(store.takeCalls(), ['isAccessValid'])
  await manager.store.delete(pair.sessionId)
  await t.rejects(issuer.verify(pair.accessToken), { code: 'ERR_UNAUTHENTICATED' })
  store.takeCalls()
  t.ok(issuer.verifyKnown(other.pair.accessToken), 'that of another session is')
  t.strictSame(store.takeCalls(), [])
})

t.test('an access token is dead with its time, by the store\'s clock', async (t) => {
  const { issuer, clock, signIn } = await openIssuer(t)
  const { pair } = await signIn()
  await issuer.verify(pair.accessToken)
  clock.advance(pair.expiresIn)
  t.equal(issuer.verifyKnown(pair.accessToken), null)
  await t.rejects(issuer.verify(pair.accessToken), { code: 'ERR_UNAUTHENTICATED' })
})

t.test('seen notes a generation once, without waiting; what fails is logged and noted by a later request', async (t) => {
  const log = new LogLines()
  const { issuer, store, signIn } = await openIssuer(t, { server: { logger: { stream: log } } })
  const { pair } = await signIn()
  const access = await issuer.verify(pair.accessToken)
  store.takeCalls()
  store.break('confirmRefreshToken')
  issuer.seen(access)
  await until(() => log.withMessage(/could not be noted/).length === 1, 'the failure is logged')
  store.mend()
  for (let n = 0; n < 50; n++) issuer.seen(access)
  await until(() => store.calls.length === 2, 'it is noted')
  for (let n = 0; n < 50; n++) issuer.seen(access)
  t.strictSame(store.takeCalls(), ['confirmRefreshToken', 'confirmRefreshToken'])
})

t.test('a token without evidence confirms nothing: after it the answer is still given again, however late', async (t) => {
  const { issuer, store, clock, signIn } = await openIssuer(t)
  const { pair } = await signIn('ada', { noEvidence: true })
  clock.advance(90)
  for (const options of [{ noEvidence: true }, { inline: true }]) {
    const next = await issuer.refresh(refreshOf(pair), undefined, options)
    store.takeCalls()
    issuer.seen(await issuer.verify(next.accessToken))
    t.strictSame(store.takeCalls(), [])
    clock.advance(1000)
  }
  t.ok((await issuer.refresh(refreshOf(pair))).refreshToken)
})

t.test('confirm reports a generation for others, waits for it, and refuses nonsense', async (t) => {
  const { issuer, store, clock, signIn } = await openIssuer(t)
  const { pair } = await signIn()
  clock.advance(90)
  await issuer.refresh(refreshOf(pair))
  await issuer.confirm(pair.sessionId, 2)
  clock.advance(31)
  await t.rejects(issuer.refresh(refreshOf(pair)), { code: 'ERR_TOKEN_REUSED' })
  store.takeCalls()
  for (const [id, generation] of [['x', 1], [pair.sessionId, 1.5], [pair.sessionId, NaN]] as const) await t.rejects(issuer.confirm(id, generation), { name: 'TypeError' })
  store.break('confirmRefreshToken')
  await t.rejects(issuer.confirm(pair.sessionId, 3), { code: 'ERR_STORE' })
})

t.test('a generation that was noted before it began, as after a failover, is noted again when it has', async (t) => {
  const { issuer, store, clock, signIn } = await openIssuer(t)
  const { pair } = await signIn()
  await issuer.confirm(pair.sessionId, 2)
  clock.advance(90)
  const next = await issuer.refresh(refreshOf(pair))
  store.takeCalls()
  issuer.seen(await issuer.verify(next.accessToken))
  t.strictSame(store.takeCalls(), ['confirmRefreshToken'])
})

t.test('attack: a report of a generation that is not there silences no later confirmation of the session', async (t) => {
  const { issuer, clock, signIn } = await openIssuer(t)
  const { pair } = await signIn()
  clock.advance(90)
  const next = await issuer.refresh(refreshOf(pair))
  for (const generation of [1_000_000, 3, 1, 2 ** 31]) await issuer.confirm(pair.sessionId, generation)
  issuer.seen(await issuer.verify(next.accessToken))
  await turn()
  clock.advance(31)
  await t.rejects(issuer.refresh(refreshOf(pair)), { code: 'ERR_TOKEN_REUSED' })
})

t.test('access tokens of a generation that has a successor cost one question, whatever order they come in', async (t) => {
  const { issuer, store, clock, signIn } = await openIssuer(t)
  const { pair } = await signIn()
  const old = await issuer.verify(pair.accessToken)
  clock.advance(90)
  const young = await issuer.verify((await issuer.refresh(refreshOf(pair))).accessToken)
  store.takeCalls()
  for (let n = 0; n < 10; n++) {
    for (const access of [old, young, young, old]) issuer.seen(access)
    await turn()
  }
  t.strictSame(store.takeCalls(), ['confirmRefreshToken', 'confirmRefreshToken'])
})

t.test('what was noted is noted again when the feed was lost: a failover may have lost it', async (t) => {
  const { issuer, store, signIn } = await openIssuer(t)
  const { pair } = await signIn()
  const access = await issuer.verify(pair.accessToken)
  issuer.seen(access)
  await turn()
  store.takeCalls()
  store.sink?.broken()
  store.sink?.reset([])
  for (let n = 0; n < 2; n++) { issuer.seen(access); await turn() }
  t.strictSame(store.takeCalls(), ['confirmRefreshToken'])
})

t.test('close waits for the confirmations under way, ends the watch, and closes the store after that', async (t) => {
  const { issuer, store, signIn } = await openIssuer(t)
  const { pair } = await signIn()
  const held = gate()
  store.before = () => held.opened
  issuer.seen(await issuer.verify(pair.accessToken))
  let isClosed = false
  const closing = issuer.close().then(() => { isClosed = true })
  await turn()
  t.notOk(isClosed)
  t.equal(store.closed, 0)
  held.open()
  await closing
  t.equal(store.closed, 1)
})

t.test('EXPIRED: past the idle end, and past the absolute end that nothing moves, a refresh token is refused', async (t) => {
  const { issuer, clock, signIn } = await openIssuer(t, { options: { refreshTtl: 10 * DAY, refreshAbsoluteTtl: 25 * DAY } })
  const { pair } = await signIn()
  let token = refreshOf(pair)
  for (let n = 0; n < 2; n++) {
    clock.advance(9 * DAY)
    token = refreshOf(await issuer.refresh(token))
  }
  clock.advance(7 * DAY - 1)
  const last = await issuer.refresh(token)
  t.ok(last.expiresIn <= 1, 'R05: no token outlives the session')
  clock.advance(1)
  await t.rejects(issuer.refresh(refreshOf(last)), { code: 'ERR_TOKEN_EXPIRED' })
  const idle = await signIn('bob')
  clock.advance(10 * DAY)
  await t.rejects(issuer.refresh(refreshOf(idle.pair)), { code: 'ERR_TOKEN_EXPIRED' })
})

t.test('S21: no event and no inspected issuer holds a token, a secret or a hash', async (t) => {
  const { issuer, clock, signIn } = await openIssuer(t)
  const told = listen(t, issuer)
  const { pair } = await signIn()
  clock.advance(90)
  const next = await issuer.refresh(refreshOf(pair))
  await issuer.verify(next.accessToken)
  clock.advance(90)
  await issuer.refresh(refreshOf(next))
  await issuer.refresh(refreshOf(pair)).catch(() => {})
  await issuer.end(pair.sessionId, 'test')
  const { inspect } = await import('node:util')
  const text = JSON.stringify(told) + inspect(told, { depth: 10, showHidden: true }) + inspect(issuer, { depth: 10 }) + JSON.stringify(issuer.keySet())
  for (const secret of [pair.accessToken, next.accessToken, ...[pair, next].flatMap((pair) => [refreshOf(pair), ...secretsIn(refreshOf(pair))]), REFRESH_KEY.toString('hex')]) {
    t.notOk(text.includes(secret))
  }
  t.ok(told.length >= 6)
})
