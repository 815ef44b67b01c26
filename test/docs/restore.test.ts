import t from 'tap'
import { freshDatabase } from '../helpers/database.js'
import { readDocument, runCommands } from '../helpers/document.js'
import { startProcess, untilStatus } from '../helpers/service-process.js'
import type { ServiceProcess } from '../helpers/service-process.js'
import { age, ask, refresh, signIn } from '../helpers/token-client.js'

const operators = readDocument('docs/operators.md')

/** Whether `npm test` could not get the programs; it says so at its end, and fails in CI. */
const hasPgDump = !(process.env['SILVERBACK_TEST_WITHOUT'] ?? '').split(',').includes('pg_dump')

/** The status for an access token, by what the token and the sessions say, without a look at the users. */
const verified = async ({ url }: ServiceProcess, token: string): Promise<number> => (await ask(url, 'GET', '/auth/verify', { token })).status

if (hasPgDump) {
  void t.test('an old dump that is restored does to sessions and tokens what docs/operators.md says', { timeout: 120_000 }, async (t) => {
    const { connectionString, pool } = await freshDatabase(t)
    const { connectionString: emptyDatabase, pool: restored } = await freshDatabase(t)
    const folder = t.testdir({ data: {}, work: {} })
    const start = async (url: string): Promise<ServiceProcess> => {
      const service = await startProcess(t, { DATABASE_URL: url, DATA_DIR: `${folder}/data`, RATE_LIMIT: 'off', TOKEN_ISSUER: 'https://id.example.com', LOG_LEVEL: 'info' })
      await untilStatus(`${service.url}/readyz`, 200)
      return service
    }
    const follow = async (marker: string): Promise<string[]> => await runCommands([`${operators.block(marker)} 2>&1 || echo FAILED`], {
      cwd: `${folder}/work`, env: { ...process.env, DATABASE_URL: connectionString, EMPTY_DATABASE_URL: emptyDatabase }
    })

    const before = await start(connectionString)
    const ended = await signIn(before.url, 'register', 'ended@example.com')
    const rotated = await signIn(before.url, 'register', 'rotated@example.com')
    const expired = await signIn(before.url, 'register', 'expired@example.com')
    await pool.query('UPDATE sessions SET expires_at = now() + interval \'10 seconds\' WHERE id = $1', [expired.sessionId])
    t.notMatch((await follow('backup')).join(), 'FAILED', 'pg_dump')

    await ask(before.url, 'POST', '/auth/logout', { token: ended.refresh })
    const late = await signIn(before.url, 'register', 'late@example.com')
    let newest = rotated.refresh
    for (let i = 0; i < 2; i++) {
      await age(pool, rotated.sessionId, 91)
      newest = (await refresh(before.url, newest)).body?.refresh_token ?? newest
    }
    t.not(newest, rotated.refresh)
    before.child.kill('SIGTERM')
    await before.exited

    t.notMatch((await follow('restore')).join(), 'FAILED', 'pg_restore')
    await restored.query('UPDATE sessions SET expires_at = now() WHERE id = $1', [expired.sessionId]) // as if those 10 seconds had passed
    const after = await start(emptyDatabase)

    t.equal((await refresh(after.url, ended.refresh)).status, 200, 'a session that ended after the dump is live again')
    t.equal((await refresh(after.url, late.refresh)).body?.code, 'ERR_TOKEN_REVOKED', 'a session that began after it is gone')
    t.equal(await verified(after, late.access), 204, 'and its access token is good until it expires')
    t.equal((await refresh(after.url, newest)).status, 200, 'a refresh token that is newer than the row is accepted')
    t.match(after.output(), 'tokenAhead', 'and told')
    const { rows: [row] } = await restored.query('SELECT generation FROM refresh_tokens WHERE session_id = $1', [rotated.sessionId])
    t.equal(row.generation, 3, 'and its generation is the row’s')
    t.equal((await refresh(after.url, rotated.refresh)).body?.code, 'ERR_TOKEN_REUSED', 'the one in the dump is superseded by it')
    t.equal((await refresh(after.url, expired.refresh)).body?.code, 'ERR_TOKEN_EXPIRED', 'a session whose end in the dump has passed has expired')

    after.child.kill('SIGTERM')
    await after.exited
    t.match((await follow('sign everybody out')).join(), 'TRUNCATE TABLE')
    const clean = await start(emptyDatabase)
    t.equal((await refresh(clean.url, ended.refresh)).status, 401, 'after the TRUNCATE nobody is signed in')
    for (const { access } of [ended, late, rotated]) t.equal(await verified(clean, access), 401, 'nor is any access token good that was issued before')
  })
}
