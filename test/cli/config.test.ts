import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { parseEnv } from 'node:util'
import t from 'tap'
import { readConfig } from '../../src/service/config.js'
import { silverback } from './command.js'

void t.test('keys generate prints keys that the service takes, as lines of a .env file', async (t) => {
  const { code, out, err } = await silverback(t, {}, 'keys', 'generate')
  t.strictSame([code, err], [0, ''])
  const keys = parseEnv(out)
  t.strictSame(Object.keys(keys).sort(), ['SESSION_AUTH_KEYS', 'SESSION_ENCRYPTION_KEYS', 'TOKEN_REFRESH_KEYS', 'TOKEN_SIGNING_KEYS'])
  t.doesNotThrow(() => readConfig({ ...keys, NODE_ENV: 'production', DATABASE_URL: 'postgres://localhost/app', TOKEN_ISSUER: 'https://id.example.com', TOKEN_AUDIENCE: 'api' }))
  for (const [kind, name] of [['session', 'SESSION_AUTH_KEYS'], ['encryption', 'SESSION_ENCRYPTION_KEYS'], ['signing', 'TOKEN_SIGNING_KEYS'], ['refresh', 'TOKEN_REFRESH_KEYS']] as const) {
    const one = parseEnv((await silverback(t, {}, 'keys', 'generate', kind)).out)
    t.strictSame(Object.keys(one), [name])
    t.not(one[name], keys[name], 'new ones each time')
  }
})

void t.test('check-config says all that is wrong, without values, or that the configuration is sound', async (t) => {
  t.strictSame(await silverback(t, {}, 'check-config'), { code: 0, out: 'the configuration is sound\n', err: '' })
  const wrong = { NODE_ENV: 'production', PORT: 'hunter1', SESSION_AUTH_KEYS: 'hunter2', DATABASE_URL: 'mysql://x:hunter3@x/x' }
  const { code, out } = await silverback(t, wrong, 'check-config')
  t.equal(code, 3)
  for (const name of ['PORT', 'SESSION_AUTH_KEYS', 'DATABASE_URL']) t.match(out, new RegExp(`^fault: ${name} `, 'm'))
  t.notMatch(out, /hunter/)
  const { sound, faults } = JSON.parse((await silverback(t, wrong, 'check-config', '--json')).out) as { sound: boolean, faults: string[] }
  t.equal(sound, false)
  t.equal(faults.length, out.match(/^fault: /gm)?.length)
})

void t.test('check-config tells what should be seen to', async (t) => {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const key = (): string => randomBytes(32).toString('base64url')
  const env = { NODE_ENV: 'production', DATABASE_URL: 'postgres://localhost/app', TOKEN_ISSUER: 'https://id.example.com', TOKEN_AUDIENCE: 'api', SESSION_AUTH_KEYS: key(), TOKEN_SIGNING_KEYS: pem, TOKEN_REFRESH_KEYS: key(), RATE_LIMIT: 'off' }
  const { code, out } = await silverback(t, env, 'check-config')
  t.equal(code, 0)
  t.match(out, /^warning: RATE_LIMIT is off.*\nwarning: TRUST_PROXY is off.*\nthe configuration is sound\n$/)
})
