import { isIPv4, isIPv6 } from 'node:net'

/** Where a request comes from, as it is counted. */
export interface Network {
  /** An IPv4 address, or the /64 of one of IPv6. */
  readonly narrow: string
  /** The /48 of an IPv6 address; `null`: of IPv4. */
  readonly wide: string | null
  readonly isLoopback: boolean
}

const GROUPS = 8

/** An IPv4 address within IPv6 counts as what it is. What is no address counts as one network of its own. */
export function networkOf (ip: string): Network {
  if (isIPv4(ip)) return { narrow: ip, wide: null, isLoopback: ip.startsWith('127.') }
  const [address = ''] = ip.split('%') // without the zone
  if (!isIPv6(address)) return { narrow: ip, wide: null, isLoopback: false }
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
