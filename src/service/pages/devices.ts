import type { FastifyInstance } from 'fastify'
import { endOwnSession, ownSessions } from '../../plugins/auth/account.js'
import { identityOf } from '../../plugins/auth/parts.js'
import type { SessionEntry } from '../../plugins/auth/session-entry.js'
import { signOutOthers } from '../../plugins/auth/sign-out.js'
import { RequestError } from '../../plugins/problems.js'
import { textOf } from './form.js'
import { notify } from './notices.js'
import type { PageParts } from './parts.js'
import { render } from './render.js'
import { SIGNED_OUT_URL } from './sign-out.js'
import { signedIn } from './signed-in.js'
import { toMoment } from './time-words.js'

const URL = '/account/sessions'
/** What the button says that ends all others; a session is named by its id. */
const OTHERS = 'others'
/** More than anybody reads: a program may begin a session an hour. All of them can be ended at once. */
const MOST = 100

/** `/account/sessions`: the devices of whoever asks. */
export function devicesPage (app: FastifyInstance, { auth }: PageParts): void {
  app.get(URL, { onRequest: signedIn }, async (request, reply) => {
    const entries = await ownSessions(request, auth)
    const now = Date.now()
    const own = entries.filter(({ current }) => current)
    const others = entries.filter(({ current }) => !current)
    const devices = [...own, ...others].slice(0, MOST).map((entry) => toDevice(entry, now))
    return await render(reply, 'devices', { devices, others: others.length, hidden: entries.length - devices.length })
  })

  app.post(URL, { onRequest: signedIn }, async (request, reply) => {
    const id = textOf(request.body, 'end')
    if (id === OTHERS) {
      const ended = await signOutOthers(request, auth)
      notify(request, ended === 1 ? 'One other device is signed out.' : `${ended} other devices are signed out.`)
      return reply.redirect(URL, 303)
    }
    const isFound = await endOwnSession(id, { ...auth, request, reply }).then(() => true, otherwiseGone)
    if (isFound && id === identityOf(request).sessionId) return reply.redirect(SIGNED_OUT_URL, 303)
    notify(request, isFound ? 'That device is signed out.' : 'That device was signed out already.')
    return reply.redirect(URL, 303)
  })
}

function otherwiseGone (error: unknown): false {
  if (error instanceof RequestError && error.statusCode === 404) return false
  throw error
}

function toDevice ({ id, current, device, clientIp, createdAt, lastSeenAt, expiresAt, blocked }: SessionEntry, now: number) {
  return {
    id,
    isCurrent: current,
    isBlocked: blocked,
    name: device ?? 'Unknown device',
    kind: kindOf(device),
    network: clientIp,
    firstSeen: toMoment(createdAt, now),
    lastSeen: toMoment(lastSeenAt, now),
    ends: toMoment(expiresAt, now)
  }
}

/** Which picture it gets. */
function kindOf (device: string | null): 'computer' | 'phone' | 'program' {
  if (device !== null && /\b(?:Android|iOS|Windows Phone)$/.test(device)) return 'phone'
  return device?.includes(' on ') === true ? 'computer' : 'program'
}
