import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import * as silverback from '../src/index.js'

const ROOT = join(import.meta.dirname, '..')
const DOCUMENT = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8')
/** A code of Node's own that is told apart. */
const FOREIGN = ['ERR_HTTP_REQUEST_TIMEOUT']

t.test('docs/errors.md names every code of the source, and no other', async (t) => {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const used = sources.flatMap((file) => [...readFileSync(join(ROOT, 'src', file), 'utf8').matchAll(/'(ERR_[A-Z_]+)'/g)].map(([, code]) => code ?? ''))
  const told = [...DOCUMENT.matchAll(/^\| `(ERR_[A-Z_]+)` \|/gm)].map(([, code]) => code ?? '')
  t.strictSame([...new Set(told)].sort(), [...new Set(used)].filter((code) => !FOREIGN.includes(code)).sort())
})

t.test('each error of the library has the status that docs/errors.md says', async (t) => {
  const { CrossSiteError, NoSessionError, SessionAnsweredError, SessionGoneError, SessionTooLargeError, SessionValueError, StoreError } = silverback
  const errors = [new CrossSiteError(), new NoSessionError(), new SessionAnsweredError(), new SessionGoneError(), new SessionTooLargeError(), new SessionValueError('k', 'x'), new StoreError('get')]
  for (const error of errors) t.match(DOCUMENT, `| \`${error.code}\` | ${error.statusCode} |`, error.name)
})
