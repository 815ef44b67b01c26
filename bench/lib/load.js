/**
 * A load generator that costs little: it shares the machine with what it measures.
 *
 * One request in flight on each connection; the next goes out when the answer is there and has been checked.
 *
 * @module
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { readAnswer } from './answer.js'
import { percentile } from './statistics.js'

/**
 * Runs a workload, for `seconds`, for so many `rounds` of all visitors, or until `signal` fires.
 *
 * Each connection has visitors of its own, so that no session has two requests in flight unless two visitors share it.
 * Every request that was sent is awaited; those answered after the time are checked, not counted.
 * @param record gets each latency in milliseconds; then none is kept, and the answer has no percentiles
 */
export async function runLoad ({ port, connections, visitors, workload, seconds = Infinity, rounds = Infinity, signal, record }) {
  const latencies = []
  const tally = { record: record ?? ((ms) => { latencies.push(ms) }), failures: 0, example: '', endsAt: 0 }
  const clients = await Promise.all(Array.from({ length: connections }, (_, first) =>
    openClient(port, visitors.filter((_visitor, index) => index % connections === first), workload, rounds, tally)))
  const startedAt = performance.now()
  tally.endsAt = startedAt + seconds * 1_000
  const stop = () => { tally.endsAt = Math.min(tally.endsAt, performance.now()) }
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted === true) stop()
  await Promise.all(clients.map((client) => client.run()))
  signal?.removeEventListener('abort', stop)
  const elapsed = (Math.min(tally.endsAt, performance.now()) - startedAt) / 1_000
  const sorted = Float64Array.from(latencies).sort()
  return {
    rate: sorted.length / elapsed,
    requests: sorted.length,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    failures: tally.failures,
    example: tally.example
  }
}

async function openClient (port, visitors, workload, rounds, tally) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  return { run: () => drive(socket, visitors, workload, visitors.length * rounds, tally) }
}

/** Sends request after request; resolves when the last is answered, or the connection is lost. */
function drive (socket, visitors, workload, most, tally) {
  return new Promise((resolve) => {
    let sent = 0
    let visitor
    let sentAt
    let pending = null

    const fail = (why) => {
      tally.failures++
      tally.example ||= why
    }
    const end = () => {
      socket.removeAllListeners()
      socket.destroy()
      resolve()
    }
    const send = () => {
      if (sent === most || performance.now() >= tally.endsAt) return end()
      visitor = visitors[sent++ % visitors.length]
      const text = workload.request(visitor)
      sentAt = performance.now()
      socket.write(text, 'latin1')
    }
    socket.on('data', (chunk) => {
      pending = pending === null ? chunk : Buffer.concat([pending, chunk])
      const answer = readAnswer(pending)
      if (answer === null) return
      pending = null
      const now = performance.now()
      const fault = faultOf(answer, workload, visitor)
      if (fault === null) {
        if (now <= tally.endsAt) tally.record(now - sentAt)
        workload.answered?.(visitor)
        if (answer.cookie !== null) visitor[workload.takes ?? 'cookie'] = answer.cookie
      } else {
        fail(fault)
      }
      if (answer.closes) end()
      else send()
    })
    socket.on('error', () => {}) // 'close' follows
    socket.on('close', () => {
      fail('the connection was lost')
      end()
    })
    send()
  })
}

function faultOf ({ status, body, cookie }, workload, visitor) {
  const expected = workload.expected(visitor)
  if (status !== 200 || body !== expected) return `${status} ${body.slice(0, 200)} instead of 200 ${expected}`
  return workload.setsNoCookie === true && cookie !== null ? 'a cookie for a visitor without a session' : null
}
