import type { FastifyInstance } from 'fastify'
import { searchSessions } from '../../admin/session-list.js'
import type { AdminPage, Search } from '../../admin/session-list.js'
import { searchUsers } from '../../admin/user-list.js'
import { identityOf } from '../../../plugins/auth/parts.js'
import { textOf } from '../form.js'
import { render } from '../render.js'
import type { AdminParts } from './parts.js'
import { toSessionRow } from './rows.js'
import { findUrl, sessionUrl, userUrl } from './urls.js'

/** What was found, and by what. */
interface Found {
  readonly search: Search
  readonly page: AdminPage
}

/** `/admin/find?q=&user=&cursor=`: sessions and users. */
export function findPage (app: FastifyInstance, { database, events }: AdminParts): void {
  /** What is typed is a session id, an address or a part of an e-mail address; else the id of a user, who may be another application's. */
  const find = async (search: Search, currentId: string): Promise<Found> => {
    const page = await searchSessions(database, search, currentId)
    const { q, cursor } = search
    if (q === undefined || cursor !== undefined || page.sessions.length > 0) return { search, page }
    const byUser = { user: q }
    return { search: byUser, page: await searchSessions(database, byUser, currentId) }
  }

  app.get('/admin/find', async (request, reply) => {
    const [typed, user, cursor] = ['q', 'user', 'cursor'].map((name) => textOf(request.query, name))
    const q = typed?.trim() ?? ''
    const asked: Search = { ...(q !== '' && { q }), ...(user && { user }), ...(cursor && { cursor }) }
    const { search, page } = await find(asked, identityOf(request).sessionId)
    const isFirst = search.cursor === undefined
    const isGone = q !== '' && page.sessions.length === 0 && (await events.ofSession(q.toLowerCase())).length > 0
    const now = Date.now()
    return await render(reply, 'admin/find', {
      q: q === '' ? user ?? '' : q,
      sessions: page.sessions.map((entry) => toSessionRow(entry, now)),
      users: isFirst ? (await searchUsers(database, q)).map((found) => ({ ...found, url: userUrl(found.id) })) : [],
      goneUrl: isGone ? sessionUrl(q.toLowerCase()) : null,
      firstUrl: isFirst ? null : findUrl({ ...search, cursor: null }),
      nextUrl: page.cursor === null ? null : findUrl({ ...search, cursor: page.cursor })
    })
  })
}
