/** Those who come and go in bench:soak: users, who sign in, stay for a while and sign out; and guests, who just leave. */

import { requestOf, WORKLOADS_BY_NAME } from './visitors.js'

/** Of ten visitors so many are users. */
const USERS = 7
const USER_STAYS_MS = [20_000, 60_000]
const GUEST_STAYS_MS = [5_000, 15_000]

/** What is done between coming and going, and how often of a hundred times. */
const ACTS = [['read', 65], ['write', 20], ['rotate', 5], ['anonymous', 10]]

/** Visitors who have not come yet. */
export function visitorsOf (count) {
  return Array.from({ length: count }, (_, index) => ({ index, isUser: index % 10 < USERS, isHere: false, n: 0, next: 0, cookie: '', leavesAt: 0, act: null }))
}

const COME = {
  request: ({ index, isUser }) => requestOf('POST', isUser ? `/sign-in/${index}` : `/guest/${index}`, ''),
  expected: () => '{}',
  answered (visitor) {
    const [least, most] = visitor.isUser ? USER_STAYS_MS : GUEST_STAYS_MS
    Object.assign(visitor, { isHere: true, n: 0, next: 0, leavesAt: performance.now() + least + Math.random() * (most - least) })
  }
}

const SIGN_OUT = {
  request: ({ cookie }) => requestOf('POST', '/sign-out', cookie),
  expected: () => '{}',
  answered (visitor) { visitor.isHere = false }
}

/**
 * What they do, one request after the other, as a workload of `runLoad`.
 *
 * @param done called with the name of each act that was answered as it should be
 */
export function comingAndGoing (done) {
  return {
    request (visitor) {
      if (visitor.isHere && !visitor.isUser && performance.now() >= visitor.leavesAt) visitor.isHere = false
      visitor.act = nextOf(visitor)
      return visitor.act.does.request(visitor)
    },
    expected: (visitor) => visitor.act.does.expected(visitor),
    answered (visitor) {
      visitor.act.does.answered?.(visitor)
      done(visitor.act.name)
    }
  }
}

function nextOf ({ isHere, isUser, leavesAt }) {
  if (!isHere) return { name: isUser ? 'sign-in' : 'guest', does: COME }
  if (isUser && performance.now() >= leavesAt) return { name: 'sign-out', does: SIGN_OUT }
  let drawn = Math.random() * 100
  const [name] = ACTS.find(([, share]) => (drawn -= share) < 0) ?? ACTS[0]
  return name === 'rotate' && !isUser ? { name: 'read', does: WORKLOADS_BY_NAME.read } : { name, does: WORKLOADS_BY_NAME[name] }
}
