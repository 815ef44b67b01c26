import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/service/embedded-postgres.js'

/** A server of the test's own, on a socket that stays the same from start to start. Stopped after the test. */
export async function ownServer (t: Test): Promise<{ start (): Promise<EmbeddedPostgres> }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'silverback-server-'))
  let running: EmbeddedPostgres | undefined
  t.teardown(async () => {
    await running?.stop()
    await rm(dataDir, { recursive: true, force: true })
  })
  return {
    async start () {
      running = await startEmbeddedPostgres({ dataDir, settings: { fsync: 'off' } })
      return running
    }
  }
}
