/** As much of HTTP/1.1 as the contenders speak. */

/**
 * Reads one answer; `null`: it is not all there yet.
 *
 * `cookie` is the `name=value` of its Set-Cookie; `null`: there is none.
 * @throws Error for an answer without Content-Length: no contender gives one
 */
export function readAnswer (bytes) {
  const text = bytes.latin1Slice()
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd === -1) return null
  const length = Number(headerOf(text, headEnd, /\r\ncontent-length: (\d+)/i))
  if (Number.isNaN(length)) throw new Error('an answer without Content-Length')
  const bodyStart = headEnd + 4
  if (text.length < bodyStart + length) return null
  return {
    status: Number(text.slice(9, 12)),
    body: text.slice(bodyStart, bodyStart + length),
    cookie: headerOf(text, headEnd, /\r\nset-cookie: ([^;\r]+)/i) ?? null,
    closes: headerOf(text, headEnd, /\r\nconnection: (close)/i) !== undefined
  }
}

function headerOf (text, headEnd, pattern) {
  const found = pattern.exec(text)
  return found === null || found.index > headEnd ? undefined : found[1]
}
