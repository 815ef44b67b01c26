import { isIP } from 'node:net'
import { show } from '../core/options.js'

const LABEL = /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/

/** The commonest suffixes under which strangers are neighbours (publicsuffix.org); browsers know them all and drop the cookie. */
const PUBLIC_SUFFIXES: ReadonlySet<string> = new Set([
  'ac.uk', 'co.in', 'co.jp', 'co.kr', 'co.nz', 'co.uk', 'co.za', 'com.ar', 'com.au', 'com.br', 'com.cn', 'com.hk', 'com.mx',
  'com.sg', 'com.tr', 'com.tw', 'gov.uk', 'net.au', 'org.au', 'org.uk', 'azurewebsites.net', 'cloudfront.net',
  'firebaseapp.com', 'fly.dev', 'github.io', 'gitlab.io', 'herokuapp.com', 'netlify.app', 'onrender.com', 'pages.dev',
  'vercel.app', 'web.app', 'workers.dev'
])

/** The domain of a cookie, in small letters. @throws TypeError for what no browser takes as one (RFC 6265bis section 5.7) */
export function resolveDomain (domain: unknown): string | undefined {
  if (domain === undefined) return undefined
  const name = typeof domain === 'string' && isIP(domain) === 0 && domain.length <= 253 ? domain.toLowerCase() : ''
  const labels = name.split('.')
  // a last label of digits makes it an IPv4 address (WHATWG URL)
  if (labels.length < 2 || !labels.every((label) => LABEL.test(label)) || /^\d+$/.test(labels.at(-1) ?? '')) {
    throw new TypeError(`"domain" option must be a host name of two labels or more, without scheme, port or leading dot; got ${show(domain)}`)
  }
  if (PUBLIC_SUFFIXES.has(name)) throw new TypeError(`"domain" option must not be a public suffix, which is shared with strangers; got ${show(domain)}`)
  return name
}
