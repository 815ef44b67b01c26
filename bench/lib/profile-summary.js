import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { urlOf } from './root.js'

const LINES = 40

/** The functions in which a profile spent most of its time, themselves alone, as Markdown. */
export function summarize ({ nodes, samples, timeDeltas }, requests) {
  const selfMicros = new Map()
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  let busy = 0
  samples.forEach((id, index) => {
    const frame = frames.get(id)
    if (frame === '(idle)' || frame === '(root)') return
    busy += timeDeltas[index]
    selfMicros.set(frame, (selfMicros.get(frame) ?? 0) + timeDeltas[index])
  })
  const top = [...selfMicros].sort(([, a], [, b]) => b - a).slice(0, LINES)
  return [
    `${(busy / requests).toFixed(1)} µs of CPU a request, ${requests} requests`,
    ...top.map(([frame, micros]) => `${(100 * micros / busy).toFixed(1).padStart(5)} %  ${(micros / requests).toFixed(2).padStart(6)} µs  ${frame}`)
  ].join('\n')
}

function nameOf ({ functionName, url, lineNumber }) {
  const name = functionName === '' ? '(anonymous)' : functionName
  if (url === '') return name
  const place = url.startsWith('file:') ? relative(fileURLToPath(urlOf('')), fileURLToPath(url)) : relative(fileURLToPath(urlOf('')), url)
  return `${name} ${url.startsWith('node:') ? url : place}:${lineNumber + 1}`
}
