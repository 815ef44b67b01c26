import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { SessionGoneError } from '../../core/errors.js'
import { getSession } from '../../session/opened.js'
import type { Session } from '../../session/session.js'
import { html } from './html.js'
import type { Html } from './html.js'
import { page } from './layout.js'

/** Where the visits stand in a session. */
const VISITS = '_visits'

/** `/`: who the service takes you for, and how to begin a session. Counts visits in a session that is there; begins none. */
export const homePage: FastifyPluginAsync = async (app) => {
  app.get('/', async (request, reply) => {
    const session = getSession(request)
    const visits = await countVisit(session, request.method === 'GET')
    const content = visits === null ? strangerView(originOf(request)) : sessionView(session, visits, originOf(request))
    const title = visits === null ? 'A stranger' : 'Your session'
    return await reply.type('text/html; charset=utf-8').header('cache-control', 'no-store').send(page({ title, content }))
  })
}

/** Resolves to the number of visits; `null`: there is no session, or it ends this moment. */
async function countVisit (session: Session, isVisit: boolean): Promise<number | null> {
  if (session.isNew) return null
  if (!isVisit) return toCount(session.get(VISITS))
  try {
    return await session.update(VISITS, (visits: unknown) => toCount(visits) + 1)
  } catch (error) {
    if (error instanceof SessionGoneError) return null
    throw error
  }
}

/** Whatever stands there: rows can be edited by hand. */
const toCount = (value: unknown): number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0

function strangerView (origin: string): Html {
  return html`<p class="badge none">No session</p>
<h1>You are a stranger here</h1>
<p class="lead">Nothing is stored about you: no cookie in your browser, no row in the database. A session begins with the first value that is put into it.</p>
<section class="card" aria-labelledby="begin">
<h2 id="begin">Begin one from a terminal</h2>
<p>The first command stores a value and keeps the cookie in a file. The second sends it back.</p>
${commands(origin, `-c jar -X PATCH ${origin}/session`)}
</section>`
}

function sessionView (session: Session, visits: number, origin: string): Html {
  return html`<p class="badge">${session.userId === null ? 'Session' : 'Signed in'}</p>
<h1>${session.userId === null ? 'You have been here before' : `You are ${session.userId}`}</h1>
<p class="lead">Your browser holds a signed cookie and nothing else. What belongs to it is on the server.</p>
<section class="card" aria-label="Your session">
<dl class="facts">
<div><dt>Visits to this page</dt><dd>${visits}</dd></div>
<div><dt>User</dt><dd>${session.userId ?? 'nobody is signed in'}</dd></div>
<div><dt>Session</dt><dd><code>${session.id}</code></dd></div>
<div><dt>Began</dt><dd>${time(session.createdAt)}</dd></div>
<div><dt>Ends, unless you come back</dt><dd>${time(session.expiresAt)}</dd></div>
</dl>
</section>
<section class="card" aria-labelledby="more">
<h2 id="more">Put something into a session</h2>
<p>From a terminal, which has a session of its own:</p>
${commands(origin, `-b jar -c jar -X PATCH ${origin}/session`)}
</section>`
}

function commands (origin: string, patch: string): Html {
  return html`<pre tabindex="0" role="region" aria-label="Commands"><code>curl ${patch} \\
  -H 'content-type: application/json' -d '{"set": {"colour": "silver"}}'
curl -b jar ${origin}/session</code></pre>`
}

function time (at: Date): Html {
  const iso = at.toISOString()
  const text = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' }).format(at)
  return html`<time datetime="${iso}">${text} UTC</time>`
}

/** Where this page was asked for; a host that is no plain name does not get into a command that people copy. */
function originOf (request: FastifyRequest): string {
  return /^[\w.-]+(?::\d{1,5})?$/.test(request.host) ? `${request.protocol}://${request.host}` : 'http://localhost:3000'
}
