import { isLocal } from '../../stores/postgres/connection-string.js'
import type { Config } from '../config.js'
import { fault, ok, warning } from './finding.js'
import type { Finding } from './finding.js'

/** What to set, for whoever runs the service behind a proxy. */
export const TRUST = 'set TRUST_PROXY to the address of the proxy or the number of proxies, and let the proxy send X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host'

/**
 * The cookie against the way by which requests come. The service itself speaks plain HTTP: where the cookie is Secure, a
 * proxy speaks TLS in front of it, and what the service knows of the browser's protocol and host is what the proxy says.
 */
export function checkCookies ({ sessions, trustProxy, isProduction, host }: Config): Finding {
  const { secure } = sessions.options
  const facts = `the session cookie is ${secure ? 'Secure' : 'not Secure'}`
  if (!secure) return isLocal(host) ? ok('cookies', `${facts}, which is for this machine alone`) : fault('cookies', `${facts}, though the service listens on ${host}`, 'set SESSION_SECURE=on, and reach the service by https')
  if (trustProxy !== false) return ok('cookies', `${facts}, and TRUST_PROXY says whose word counts`)
  const message = `${facts} and TRUST_PROXY is off: behind a proxy that speaks TLS the service takes its own address for http, refuses browsers that send no Sec-Fetch-Site as cross-site, and counts all clients as one address`
  return isProduction || !isLocal(host) ? fault('cookies', message, TRUST) : warning('cookies', message, TRUST)
}
