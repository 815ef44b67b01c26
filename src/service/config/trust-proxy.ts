import { BlockList, isIP } from 'node:net'
import type { Env } from './env.js'

/** Whose word counts: nobody's, everybody's, that of the last so many hops, or of these addresses. */
export type TrustProxy = boolean | number | string[]

const MAX_HOPS = 32
const NAMES: ReadonlySet<string> = new Set(['loopback', 'linklocal', 'uniquelocal'])

/** Reads whose `X-Forwarded-*` headers are believed. Faults go to `env`. */
export function readTrustProxy (env: Env): TrustProxy {
  const text = env.text('TRUST_PROXY')?.toLowerCase()
  if (text === undefined || text === 'off' || text === 'false' || text === '0') return false
  if (text === 'true' || text === 'on') {
    if (env.isProduction) env.fault('TRUST_PROXY must not trust everybody in production: give the number of proxies, or their addresses')
    return true
  }
  if (/^\d+$/.test(text)) {
    if (Number(text) > MAX_HOPS) env.fault(`TRUST_PROXY must be at most ${MAX_HOPS} hops`)
    return Number(text)
  }
  const addresses = text.split(',').map((part) => part.trim())
  if (!addresses.every(isAddress)) env.fault('TRUST_PROXY must be off, a number of proxies, or a list of addresses such as 10.0.0.0/8 with commas between')
  else if (env.isProduction && addresses.some((address) => address.endsWith('/0'))) env.fault('TRUST_PROXY must not trust everybody in production: a network of /0 does')
  return addresses
}

/**
 * The same as Fastify takes it. Fastify ignores plain numbers of hops, for whoever reaches the port directly could make
 * up the rest; here the nearest hop must have a private address as well, so that nobody on the internet can.
 */
export function toFastify (trust: TrustProxy): boolean | string[] | ((address: string, hop: number) => boolean) {
  return typeof trust === 'number' ? (address, hop) => hop < trust && (hop > 0 || isPrivate(address)) : trust
}

const PRIVATE = new BlockList()
for (const [network, prefix] of [['127.0.0.0', 8], ['10.0.0.0', 8], ['172.16.0.0', 12], ['192.168.0.0', 16], ['169.254.0.0', 16]] as const) {
  PRIVATE.addSubnet(network, prefix, 'ipv4')
}
for (const [network, prefix] of [['::1', 128], ['fc00::', 7], ['fe80::', 10]] as const) PRIVATE.addSubnet(network, prefix, 'ipv6')

/** An address of IPv4 within IPv6 counts as what it is. */
const isPrivate = (address: string): boolean => isIP(address) !== 0 && PRIVATE.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')

function isAddress (text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/')
  if (prefix === undefined) return NAMES.has(text) || isIP(address) !== 0
  const bits = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : -1
  return rest.length === 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits
}
