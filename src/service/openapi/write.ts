import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import pg from 'pg'
import { MemoryStore } from '../../stores/memory/store.js'
import { MemoryTokenStore } from '../../stores/memory/token-store.js'
import { Database } from '../../stores/postgres/query.js'
import { buildApp } from '../app.js'
import { readConfig } from '../config.js'
import { Secret } from '../config/secret.js'
import { createLog } from '../log.js'

/*
 * Writes the document of the API, as a service with default settings behind https has it, into a file that is named as
 * the argument. A step of the build: no database and no key of anybody is needed.
 */

const secret = (): Secret => new Secret(randomBytes(32).toString('base64url'))
const signingKey = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

const [, , file] = process.argv
if (file === undefined) throw new TypeError('name the file to write')

const store = new MemoryStore()
const app = buildApp({
  config: readConfig({ SESSION_SECURE: 'on' }),
  authKeys: secret(),
  tokenKeys: { signingKeys: new Secret(signingKey), refreshKeys: secret() },
  store,
  tokenStore: new MemoryTokenStore({ store }),
  database: new Database({ pool: new pg.Pool(), named: true }), // never asked
  readiness: { isReady: false, check: async () => ({ reasons: [], warnings: [] }) },
  log: createLog('silent')
})
await app.ready()
await writeFile(file, `${JSON.stringify(app.swagger(), null, 2)}\n`)
await app.close()
