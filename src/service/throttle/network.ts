import { isIPv4, isIPv6 } from 'node:net'

/** Where a request comes from, as it is counted. */
export interface Network {
  /** An IPv4 address, or the /64 of one of IPv6; `unknown`: of what is no address. */
  readonly narrow: string
  /** The /48 of an IPv6 address; `null`: of IPv4. */
  readonly wide: string | null
  readonly isLoopback: boolean
}

const GROUPS = 8
/** As some proxies forward it: `203.0.113.9:1001`, `[2001:db8::1]:1001`, `[2001:db8::1]`. */
const WITH_PORT = /^(?:\[([^\]]+)\](?::\d+)?|([\d.]+):\d+)$/
/** All that is no address is one network: whoever writes such a text could write a thousand. */
const UNKNOWN: Network = Object.freeze({ narrow: 'unknown', wide: null, isLoopback: false })

/** An IPv4 address within IPv6 counts as what it is, and a port counts for nothing. */
export function networkOf (ip: string): Network {
  const [, bracketed, dotted] = WITH_PORT.exec(ip) ?? []
  const [address = ''] = (bracketed ?? dotted ?? ip).split('%') // without the zone
  if (isIPv4(address)) return { narrow: address, wide: null, isLoopback: address.startsWith('127.') }
  if (!isIPv6(address)) return UNKNOWN
  const groups = expand(address)
  const [a = 0, b = 0] = groups.slice(6)
  const isLeading = groups.slice(0, 5).every((group) => group === 0)
  if (isLeading && groups[5] === 0xffff) return networkOf([a >> 8, a & 0xff, b >> 8, b & 0xff].join('.'))
  const prefix = (count: number): string => `${groups.slice(0, count).map((group) => group.toString(16)).join(':')}::`
  return { narrow: `${prefix(4)}/64`, wide: `${prefix(3)}/48`, isLoopback: isLeading && groups[5] === 0 && a === 0 && b === 1 }
}

/** The eight groups of an address that is well-formed. */
function expand (address: string): number[] {
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1) // a dotted end becomes two groups
  const [head = '', tail] = canonical.split('::')
  const toGroups = (part: string): number[] => part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))
  const before = toGroups(head)
  if (tail === undefined) return before
  const after = toGroups(tail)
  return [...before, ...Array.from({ length: GROUPS - before.length - after.length }, () => 0), ...after]
}
