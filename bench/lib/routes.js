/** What every contender answers, with the same contents in its sessions. */

/** A session's contents, some 250 bytes of JSON. */
export function contentsOf (index) {
  return {
    index,
    n: 0,
    theme: 'dark',
    user: { id: `user-${index}`, name: 'Ada Lovelace', email: 'ada@example.com', roles: ['member', 'editor'] },
    cart: [{ sku: 'A-100', count: 1 }, { sku: 'B-200', count: 2 }, { sku: 'C-300', count: 3 }]
  }
}

/**
 * Adds the routes to a Fastify application.
 *
 * @param get reads a key of the request's session; `set` writes one; saving is the contender's own business
 */
export function addRoutes (app, { get, set }) {
  app.post('/seed/:index', async (request) => {
    const contents = contentsOf(Number(request.params.index))
    for (const [key, value] of Object.entries(contents)) set(request, key, value)
    return {}
  })
  app.get('/read', async (request) => ({ index: get(request, 'index'), theme: get(request, 'theme'), n: get(request, 'n') }))
  app.post('/write/:n', async (request) => {
    const n = Number(request.params.n)
    set(request, 'n', n)
    return { n }
  })
  app.get('/anonymous', async (request) => ({ theme: get(request, 'theme') ?? 'light' }))
}
