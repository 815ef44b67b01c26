import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import type { Test } from 'tap'

/** What to do with a message of the client. `cutAfter`: the server gets it, the client no answer. */
export type Verdict = 'pass' | 'cut' | 'cutAfter'

/** One connection through the proxy. */
interface Pair { readonly client: Socket, readonly server: Socket }

/**
 * A proxy between a program and PostgreSQL that understands where messages begin: it counts statements, and breaks
 * connections at a chosen one.
 *
 * Messages of the protocol 3.0: one byte type, four bytes length (itself included). Only a connection's first has no type.
 */
export interface FaultProxy {
  /** As the one given, but through the proxy. */
  readonly connectionString: string
  /** Statements that clients have asked for: simple queries, and executions of prepared ones. */
  readonly statements: number
  /** Connections that came while it was cut. */
  readonly refused: number
  /** Judges each statement that is about to pass on. Default: all pass. */
  judge: (text: string) => Verdict
  /** Forwards nothing, either way, until `thaw`: connected, and silent. */
  freeze (): void
  /** Forwards what clients send, and no answer, until `thaw`; connections that come later get theirs. */
  freezeAnswers (): void
  thaw (): void
  /** Refuses connections and cuts those there are, until `restore`. */
  cut (): void
  restore (): void
}

export async function openFaultProxy (t: Test, connectionString: string): Promise<FaultProxy> {
  const target = new URL(connectionString)
  const pairs = new Set<Pair>()
  let isCut = false
  let isFrozen = false
  let statements = 0
  let refused = 0

  const server = createServer((client) => {
    if (isCut) { refused++; client.destroy(); return }
    const upstream = connect({ host: target.hostname, port: Number(target.port) })
    const pair = { client, server: upstream }
    pairs.add(pair)
    const end = (): void => { pairs.delete(pair); client.destroy(); upstream.destroy() }
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end)
    if (isFrozen) pausePair(pair)
    let isMuted = false
    upstream.on('data', (chunk) => { if (!isMuted) client.write(chunk) })
    const read = messageReader((type, body, whole) => {
      if (type === 'Q' || type === 'E') statements++
      const text = type === 'Q' || type === 'P' || type === 'B' ? body.toString('latin1') : ''
      const verdict = text === '' ? 'pass' : proxy.judge(text)
      if (verdict === 'cut') { end(); return }
      if (verdict === 'cutAfter') {
        isMuted = true
        // what comes back first is the answer that is to be lost
        upstream.once('data', end)
      }
      upstream.write(whole)
    })
    client.on('data', read)
  })

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  t.teardown(async () => {
    for (const { client, server: upstream } of pairs) { client.destroy(); upstream.destroy() }
    server.close()
    await once(server, 'close')
  })

  const proxy: FaultProxy = {
    connectionString: Object.assign(new URL(connectionString), { hostname: '127.0.0.1', port: String(address.port) }).href,
    get statements () { return statements },
    get refused () { return refused },
    judge: () => 'pass',
    freeze () { isFrozen = true; for (const pair of pairs) pausePair(pair) },
    freezeAnswers () { for (const { server: upstream } of pairs) upstream.pause() },
    thaw () { isFrozen = false; for (const { client, server: upstream } of pairs) { client.resume(); upstream.resume() } },
    cut () { isCut = true; for (const { client, server: upstream } of pairs) { client.destroy(); upstream.destroy() } },
    restore () { isCut = false }
  }
  return proxy
}

function pausePair ({ client, server }: Pair): void {
  client.pause()
  server.pause()
}

type OnMessage = (type: string, body: Buffer, whole: Buffer) => void

/** Cuts a client's stream into messages. */
function messageReader (onMessage: OnMessage): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  let isStarted = false
  return (chunk) => {
    rest = Buffer.concat([rest, chunk])
    for (;;) {
      const head = isStarted ? 1 : 0
      if (rest.length < head + 4) return
      const length = head + rest.readUInt32BE(head)
      if (rest.length < length) return
      const whole = rest.subarray(0, length)
      rest = rest.subarray(length)
      onMessage(isStarted ? String.fromCharCode(whole[0] ?? 0) : '', whole.subarray(head + 4), whole)
      isStarted = true
    }
  }
}
