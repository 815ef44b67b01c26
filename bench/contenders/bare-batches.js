/**
 * Fastify with hand-written batches, as small as they can be: what a server reaches on this machine that loads a session by
 * primary key, and for a write changes one key of it and commits, and does nothing else.
 *
 * No signature, no expiry, no lock, no check, no session object; a table of two columns.
 */

import { randomUUID } from 'node:crypto'
import { fromRoot } from '../lib/root.js'
import { contentsOf } from '../lib/routes.js'

export const hasSessions = true
export const workloads = ['read', 'write']

const READ = {
  name: 'read',
  text: `SELECT json_agg(found.record) AS records
    FROM unnest($1::uuid[]) AS wanted (id) CROSS JOIN LATERAL (
      SELECT json_build_array(s.id, s.contents) AS record FROM bare_sessions AS s WHERE s.id = wanted.id OFFSET 0) AS found`
}
const WRITE = {
  name: 'write',
  text: `UPDATE bare_sessions AS s SET contents = s.contents || i.patch::jsonb
    FROM unnest($1::uuid[], $2::text[]) AS i (id, patch) WHERE s.id = i.id`
}

export async function start ({ connectionString, max }) {
  const app = fromRoot('fastify')()
  const pool = new (fromRoot('pg').Pool)({ connectionString, max })
  await pool.query('CREATE TABLE bare_sessions (id uuid PRIMARY KEY, contents jsonb NOT NULL) WITH (fillfactor = 50)')
  const load = batches(2, async (ids) => {
    const { rows: [{ records }] } = await pool.query({ ...READ, values: [`{${[...ids.keys()].join()}}`], types: AS_TEXT })
    return new Map(JSON.parse(records))
  })
  const save = batches(1, async (patches) => {
    await pool.query({ ...WRITE, values: [`{${[...patches.keys()].join()}}`, `{${[...patches.values()].map(({ given }) => JSON.stringify(given)).join()}}`] })
    return patches
  })

  app.post('/seed/:index', async (request, reply) => {
    const id = randomUUID()
    await pool.query('INSERT INTO bare_sessions VALUES ($1, $2)', [id, contentsOf(Number(request.params.index))])
    reply.header('set-cookie', `id=${id}`)
    return {}
  })
  app.get('/read', async (request) => {
    const { index, theme, n } = await load(request.headers.cookie.slice(3))
    return { index, theme, n }
  })
  app.post('/write/:n', async (request) => {
    const id = request.headers.cookie.slice(3)
    const n = Number(request.params.n)
    await load(id)
    await save(id, JSON.stringify({ n }))
    return { n }
  })
  app.addHook('onClose', () => pool.end())
  return app
}

const AS_TEXT = { getTypeParser: () => (text) => text }

/** Sends what is asked for at the same time together: half of it, and so many batches at once, as Silverback does. */
function batches (atOnce, send) {
  let waiting = new Map()
  let [sent, underWay, isScheduled] = [0, 0, false]
  const wake = () => {
    if (isScheduled || sent === atOnce || waiting.size === 0) return
    isScheduled = true
    setImmediate(() => {
      isScheduled = false
      flush()
    })
  }
  const flush = async () => {
    if (sent === atOnce || waiting.size === 0) return
    const most = Math.max(16, Math.ceil((waiting.size + underWay) / 2))
    const batch = waiting.size <= most ? waiting : new Map([...waiting].slice(0, most))
    waiting = batch === waiting ? new Map() : new Map([...waiting].slice(most))
    sent++
    underWay += batch.size
    flush()
    const answers = await send(batch)
    sent--
    underWay -= batch.size
    for (const [id, { resolve }] of batch) resolve(answers.get(id))
    wake()
  }
  return (id, given) => new Promise((resolve) => {
    waiting.set(id, { given, resolve })
    wake()
  })
}
