import { chmodSync, lstatSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseKeys } from '../../src/core/keys.js'
import { parseSigningKeys } from '../../src/tokens/signing-keys.js'
import { developmentKeys, developmentTokenKeys, KeysFileError } from '../../src/service/keys.js'

const mode = (path: string): number => statSync(path).mode & 0o777

void t.test('keys are made once, kept for the owner alone, and read back', async (t) => {
  const dataDir = join(t.testdir(), 'deep', 'data')
  const told: string[] = []
  const log = (line: string): void => { told.push(line) }
  const made = await developmentKeys({ dataDir, log })
  t.equal(mode(join(dataDir, 'keys.json')), 0o600)
  t.equal(mode(dataDir), 0o700)
  t.equal(parseKeys('keys', made.reveal()).length, 1, 'they are keys that the library takes')
  t.equal((await developmentKeys({ dataDir, log })).reveal(), made.reveal())
  t.equal(told.length, 1, 'told once')
  t.notOk(told.join().includes(made.reveal()), 'and the key is not')
})

void t.test('of 20 starters at once all get the same keys, and nothing is left lying about', async (t) => {
  const dataDir = t.testdir()
  const keys = await Promise.all(Array.from({ length: 20 }, async () => await developmentKeys({ dataDir, log: () => {} })))
  t.equal(new Set(keys.map((key) => key.reveal())).size, 1)
  t.strictSame(readdirSync(dataDir), ['keys.json'])
})

void t.test('a file that others can read is closed, and that is told', async (t) => {
  const dataDir = t.testdir()
  const { reveal } = await developmentKeys({ dataDir, log: () => {} }).then((made) => ({ reveal: made.reveal() }))
  const path = join(dataDir, 'keys.json')
  chmodSync(path, 0o644)
  const told: string[] = []
  t.equal((await developmentKeys({ dataDir, log: (line) => { told.push(line) } })).reveal(), reveal)
  t.equal(mode(path), 0o600)
  t.match(told, [/keys\.json/])
})

void t.test('refused, and not overwritten: a file that is damaged, or no file', async (t) => {
  for (const content of ['', '{', '[]', '{"SESSION_AUTH_KEYS":1}', '{"SESSION_AUTH_KEYS":"hunter2"}', 'null']) {
    const dataDir = t.testdir()
    const path = join(dataDir, 'keys.json')
    writeFileSync(path, content, { mode: 0o600 })
    const error = await developmentKeys({ dataDir, log: () => {} }).then(() => null, (error: unknown) => error)
    t.ok(error instanceof KeysFileError, JSON.stringify(content))
    t.match(error, { message: /keys\.json/ })
    t.notMatch(String(error), 'hunter2')
    t.equal(readFileSync(path, 'utf8'), content)
  }
  const dataDir = t.testdir({ 'keys.json': {} })
  await t.rejects(developmentKeys({ dataDir, log: () => {} }), KeysFileError, 'a folder')
})

void t.test('attack: a link in the place of the file is not followed', async (t) => {
  const dataDir = t.testdir({ data: {} })
  symlinkSync(join(dataDir, 'elsewhere'), join(dataDir, 'data', 'keys.json'))
  await t.rejects(developmentKeys({ dataDir: join(dataDir, 'data'), log: () => {} }), KeysFileError)
  t.throws(() => lstatSync(join(dataDir, 'elsewhere')), 'nothing was written behind it')
})

void t.test('keys of tokens are made beside those of sessions, and read back', async (t) => {
  const dataDir = t.testdir()
  const log = (): void => {}
  const session = await developmentKeys({ dataDir, log })
  const made = await Promise.all(Array.from({ length: 10 }, async () => await developmentTokenKeys({ dataDir, log })))
  t.equal(new Set(made.map(({ signingKeys, refreshKeys }) => signingKeys.reveal() + refreshKeys.reveal())).size, 1)
  t.strictSame(readdirSync(dataDir), ['keys.json', 'token-keys.json'])
  t.equal(mode(join(dataDir, 'token-keys.json')), 0o600)
  t.match(parseSigningKeys(made[0]?.signingKeys.reveal()).signing.algorithm, 'EdDSA')
  t.equal((await developmentKeys({ dataDir, log })).reveal(), session.reveal(), 'and those of sessions stay')
  writeFileSync(join(dataDir, 'token-keys.json'), JSON.stringify({ TOKEN_SIGNING_KEYS: 'hunter2', TOKEN_REFRESH_KEYS: made[0]?.refreshKeys.reveal() }))
  const error = await developmentTokenKeys({ dataDir, log }).then(() => null, (error: unknown) => error)
  t.ok(error instanceof KeysFileError)
  t.notMatch(String(error), 'hunter2')
})
