import { randomBytes } from 'node:crypto'
import t from 'tap'
import { newId, newSecret } from '../../src/core/credential.js'
import { createSealer } from '../../src/plugins/sealer.js'
import { createCookieCodec } from '../../src/session/cookie.js'
import { CookieReader } from '../../src/session/cookie-reader.js'
import { NAME } from '../helpers/session-app.js'

const [KEY, SEAL] = [randomBytes(32), randomBytes(32)]
const HOUR = 60 * 60 * 1000
const credential = { id: newId(), secret: newSecret(), issuedAt: 1_900_000_000_000, browserSession: false, defaultLife: false }

t.test('attack: a sealed cookie whose seal has expired is refused, though it was read before', async (t) => {
  const codec = createCookieCodec({ cookieName: NAME, keys: [KEY], sealer: await createSealer({ encryptionKey: SEAL, cookieName: NAME, absoluteMaxAge: HOUR / 1000 }) })
  const reader = new CookieReader(NAME, codec)
  const header = `${NAME}=${codec.encode(credential)}`
  t.match(reader.read(header), { credential: { id: credential.id } })
  const { now } = Date
  let ahead = 0
  t.intercept(Date, 'now', { value: () => now() + ahead })
  ahead = 24 * HOUR
  t.match(reader.read(header), { credential: { id: credential.id } }, 'a seal is worth a day longer than the session')
  ahead = 27 * HOUR
  t.equal(reader.read(header), 'forged')
})

t.test('attack: a cookie that was read before lends nothing to another that ends alike', async (t) => {
  const codec = createCookieCodec({ cookieName: NAME, keys: [KEY], sealer: undefined })
  const reader = new CookieReader(NAME, codec)
  const value = codec.encode(credential)
  t.match(reader.read(`${NAME}=${value}`), { credential: { id: credential.id } })
  const other = codec.encode({ ...credential, id: newId() })
  const end = value.slice(-43)
  for (const forged of [other.slice(0, -43) + end, end, ` ${value}x`, `x${value}`, `${value.slice(0, -43)}x${end}`]) t.equal(reader.read(`${NAME}=${forged}`), 'forged', forged)
  t.equal(reader.read(`other=${value}`), null)
  t.match(reader.read(`${NAME}=${value}`), { credential: { id: credential.id } })
})
