import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { startProcess, untilStatus } from '../helpers/service-process.js'
import type { ServiceProcess } from '../helpers/service-process.js'

interface Seen { readonly status: number, readonly cookie: string | null, readonly setCookie: string | null, readonly body: unknown }

async function ask (service: ServiceProcess, method: string, cookie: string | null, body?: object): Promise<Seen> {
  const answer = await fetch(`${service.url}/session`, {
    method,
    headers: { ...(cookie !== null && { cookie }), ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) })
  })
  const text = await answer.text()
  const setCookie = answer.headers.get('set-cookie')
  return { status: answer.status, setCookie, cookie: setCookie?.split(';')[0] ?? null, body: text === '' ? null : JSON.parse(text) }
}

/** A folder for the data, removed after the test. */
async function dataFolder (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'silverback-data-'))
  t.teardown(async () => { await rm(folder, { recursive: true, force: true }) })
  return folder
}

async function start (t: Test, dataDir: string): Promise<ServiceProcess> {
  const service = await startProcess(t, { DATA_DIR: dataDir })
  await untilStatus(`${service.url}/readyz`, 200)
  return service
}

/** Ends a service that was started on the folder, and with it its PostgreSQL. */
async function stop ({ child, exited }: ServiceProcess): Promise<number | null> {
  child.kill('SIGTERM')
  return await exited
}

t.test('a session outlives a kill -9 of the service with its own PostgreSQL, and DELETE ends it for good', async (t) => {
  const dataDir = await dataFolder(t)
  const first = await start(t, dataDir)
  t.match(await ask(first, 'GET', null), { status: 200, setCookie: null }, 'no cookie for a plain GET')
  const begun = await ask(first, 'PATCH', null, { set: { theme: 'dark', ünï: [1, { deep: null }] } })
  t.match(begun.setCookie, /^sid=[^;]+; Max-Age=86400; Path=\/; HttpOnly; SameSite=Lax$/)

  first.child.kill('SIGKILL')
  await once(first.child, 'close')
  const second = await start(t, dataDir)
  const back = await ask(second, 'GET', begun.cookie)
  t.match(back, { status: 200, body: { isNew: false, values: { theme: 'dark', ünï: [1, { deep: null }] } } })
  t.match(second.output(), /taken over/, 'the server that was left behind is used again')

  const ended = await ask(second, 'DELETE', begun.cookie)
  t.equal(ended.status, 204)
  t.match(ended.setCookie, /^sid=; Max-Age=0; Path=\/;/)
  t.match(await ask(second, 'GET', begun.cookie), { status: 200, setCookie: null, body: { id: null, isNew: true, values: {} } })
  t.equal(await stop(second), 0)
})

t.test('a session outlives a stop and a start, with the keys that were kept', async (t) => {
  const dataDir = await dataFolder(t)
  const first = await start(t, dataDir)
  const { cookie } = await ask(first, 'PATCH', null, { set: { n: 1 } })
  t.equal(await stop(first), 0)
  const second = await start(t, dataDir)
  t.match(await ask(second, 'GET', cookie), { body: { values: { n: 1 } } })
  t.equal(await stop(second), 0)
  const log = await readFile(join(dataDir, 'postgres', 'postgres.log'), 'utf8').catch(() => '')
  t.notMatch(log, /terminated by signal|PANIC/, 'PostgreSQL was stopped in order')
})

t.test('a second service on the same folder says so, and the first goes on', async (t) => {
  const dataDir = await dataFolder(t)
  const first = await start(t, dataDir)
  await t.rejects(startProcess(t, { DATA_DIR: dataDir }), /ended with 1: .*in use by another service/s)
  t.equal((await ask(first, 'GET', null)).status, 200)
  t.equal(await stop(first), 0)
})
