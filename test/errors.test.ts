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

t.test('each error of tokens has the status and the OAuth error that docs/errors.md says', async (t) => {
  const { ForbiddenError, NotSignedInError, ReauthenticateError, TokenConflictError, TokenInUrlError, TokenMissingError, TokenRefusedError, UnauthenticatedError } = silverback
  const codes = ['ERR_TOKEN_INVALID', 'ERR_TOKEN_REVOKED', 'ERR_TOKEN_EXPIRED', 'ERR_SESSION_BLOCKED', 'ERR_TOKEN_WRONG_USER', 'ERR_TOKEN_REUSED'] as const
  const errors = [
    new ForbiddenError(), new NotSignedInError(), new ReauthenticateError(60), new TokenConflictError('x'), new TokenInUrlError(), new TokenMissingError(), new UnauthenticatedError(true),
    ...codes.map((code) => new TokenRefusedError(code))
  ]
  for (const { code, statusCode, oauthError, name } of errors) {
    t.match(DOCUMENT, oauthError === null ? `| \`${code}\` | ${statusCode} | |` : `| \`${code}\` | ${statusCode} | \`${oauthError}\``, `${name} ${code}`)
  }
})
