/** What a session asks of its request: only when something is stored. */
export interface Asked { readonly ip: string, readonly headers: { readonly 'user-agent'?: string | undefined } }
/** What a session asks of the reply: when the connection is over. */
export interface Answered { readonly raw: { once (event: 'close', listener: () => void): unknown } }

/** An IPv4 address that came as IPv6 is given as IPv4, so that one client has one address. */
export const clientIpOf = ({ ip }: Asked): string => ip.replace(/^::ffff:(?=[\d.]+$)/i, '')

const LONGEST_USER_AGENT = 512

/** The user agent as it is stored: at most 512 characters, without control characters; `null` for nothing. */
export function userAgentOf ({ headers }: Asked): string | null {
  const cleaned = headers['user-agent']?.replace(/[\p{Cc}\p{Cs}]/gu, '').slice(0, LONGEST_USER_AGENT).toWellFormed() ?? ''
  return cleaned === '' ? null : cleaned
}
