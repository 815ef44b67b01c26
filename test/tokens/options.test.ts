import { generateKeyPairSync, randomBytes } from 'node:crypto'
import t from 'tap'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { MemoryTokenStore } from '../../src/stores/memory/token-store.js'
import { resolveTokensOptions } from '../../src/tokens/options.js'

const DAY = 86_400
const shared = randomBytes(32)
const store = new MemoryTokenStore({ store: new MemoryStore() })
const required = { store, issuer: 'https://id.example', audience: 'api', signingKeys: generateKeyPairSync('ed25519').privateKey, refreshKey: shared }
const resolve = (over: object = {}) => resolveTokensOptions({ ...required, ...over })

t.test('the defaults are those of the specification', async (t) => {
  t.match(resolve(), {
    issuer: 'https://id.example', audience: 'api', clientId: 'api', accessTokenTtl: 900, refreshTtl: 2_592_000, refreshAbsoluteTtl: 5_184_000, minGenerationAge: 90, stragglerWindow: 30, identityHeaders: false
  })
  t.ok(Object.isFrozen(resolve()))
})

t.test('times may have decimals and small values, and what is given counts', async (t) => {
  t.match(resolve({ minGenerationAge: 3, stragglerWindow: 1 }), { minGenerationAge: 3, stragglerWindow: 1 })
  t.match(resolve({ minGenerationAge: 0.5, stragglerWindow: 0.2, accessTokenTtl: 1.5, refreshTtl: 2.5, refreshAbsoluteTtl: 2.5 }), { minGenerationAge: 0.5, accessTokenTtl: 1.5, refreshTtl: 2.5 })
  t.match(resolve({ refreshTtl: 100 * DAY }), { refreshAbsoluteTtl: 100 * DAY }, 'a longer idle life brings a longer absolute one')
  t.match(resolve({ clientId: 'app', identityHeaders: true }), { clientId: 'app', identityHeaders: true })
})

t.test('B12, B13, B20: every bad value is refused at registration by the name of its option', async (t) => {
  const cases: [object, RegExp][] = [
    [{ store: undefined }, /"store"/], [{ store: {} }, /createRefreshToken/], [{ store: new MemoryStore() }, /"store"/],
    [{ issuer: undefined }, /"issuer"/], [{ issuer: '' }, /"issuer"/], [{ issuer: ' ' }, /"issuer"/], [{ issuer: ['a'] }, /"issuer"/], [{ issuer: 'a\nb' }, /"issuer"/],
    [{ audience: '' }, /"audience"/], [{ audience: undefined }, /"audience"/], [{ audience: 'x'.repeat(513) }, /"audience"/], [{ clientId: '' }, /"clientId"/], [{ clientId: null }, /"clientId"/],
    [{ signingKeys: undefined }, /"signingKeys"/], [{ signingKeys: 'secret' }, /"signingKeys"/], [{ refreshKey: undefined }, /"refreshKey"/], [{ refreshKey: randomBytes(16) }, /"refreshKey"/],
    [{ refreshKey: [shared, shared] }, /"refreshKey"/], [{ signingKeys: [randomBytes(32), shared] }, /"refreshKey" and "signingKeys"/],
    [{ accessTokenTtl: 0 }, /"accessTokenTtl"/], [{ accessTokenTtl: 3601 }, /"accessTokenTtl"/], [{ accessTokenTtl: '900' }, /"accessTokenTtl"/], [{ accessTokenTtl: NaN }, /"accessTokenTtl"/],
    [{ accessTokenTtl: 900, refreshTtl: 900 }, /"accessTokenTtl"/], [{ refreshTtl: 400 * DAY + 1 }, /"refreshTtl"/], [{ refreshAbsoluteTtl: 400 * DAY + 1 }, /"refreshAbsoluteTtl"/],
    [{ refreshTtl: 10 * DAY, refreshAbsoluteTtl: 9 * DAY }, /"refreshAbsoluteTtl"/], [{ refreshTtl: 2_592_000_000 }, /"refreshTtl"/],
    [{ stragglerWindow: 0 }, /"stragglerWindow"/], [{ stragglerWindow: -1 }, /"stragglerWindow"/], [{ minGenerationAge: 60 }, /"minGenerationAge"/], [{ minGenerationAge: 59.9 }, /"minGenerationAge"/],
    [{ stragglerWindow: 45 }, /"minGenerationAge"/], [{ minGenerationAge: Infinity }, /"minGenerationAge"/], [{ identityHeaders: 'yes' }, /"identityHeaders"/],
    [{ refreshTTL: 5 }, /"refreshTTL"; did you mean "refreshTtl"/], [{ signingKey: 'x' }, /did you mean "signingKeys"/], [{ leeway: 5 }, /"leeway"/]
  ]
  for (const [over, message] of cases) t.throws(() => resolve(over), { name: 'TypeError', message }, JSON.stringify(over).slice(0, 60))
  t.throws(() => resolveTokensOptions(JSON.parse('null')), { name: 'TypeError', message: /tokens/ })
})

t.test('no message holds a key', async (t) => {
  const secret = `${randomBytes(20).toString('base64url')}`
  for (const over of [{ refreshKey: secret }, { signingKeys: secret }]) {
    try {
      resolve(over)
      t.fail('accepted')
    } catch (error) {
      t.notOk(String(error).includes(secret))
    }
  }
})
