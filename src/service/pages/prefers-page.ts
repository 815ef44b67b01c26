/**
 * Whether a client would rather have a page than a document for programs (RFC 9110 section 12.5.1): it names HTML, and
 * JSON, if at all, as second to it. Browsers do when somebody goes to an address; `fetch` and curl do not.
 */
export function prefersPage ({ headers }: { readonly headers: { readonly accept?: string | undefined } }): boolean {
  const weights = new Map((headers.accept ?? '').toLowerCase().split(',').map((range): [string, number] => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim())
    const weight = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1)
    return [type, Number.isNaN(weight) ? 0 : weight]
  }))
  const html = weights.get('text/html') ?? 0
  const json = Math.max(weights.get('application/json') ?? 0, weights.get('application/problem+json') ?? 0)
  return html > 0 && html >= json
}
