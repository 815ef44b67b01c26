import { createHash } from 'node:crypto'
import type { FastifyPluginAsync } from 'fastify'
import { MARK } from './mark.js'
import { STYLE } from './style.js'

const CACHE_FOREVER = 'public, max-age=31536000, immutable'
const CACHE_A_DAY = 'public, max-age=86400'
const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${MARK.text}</svg>`

/** Where the style is. Another style has another address, so that browsers keep it for ever. */
export const STYLESHEET_URL = `/style-${createHash('sha256').update(STYLE).digest('hex').slice(0, 12)}.css`

/** The style and the icon of the pages: the only things that they load. */
export const stylesheet: FastifyPluginAsync = async (app) => {
  app.get(STYLESHEET_URL, { logLevel: 'warn' }, async (_request, reply) =>
    await reply.type('text/css; charset=utf-8').header('cache-control', CACHE_FOREVER).send(STYLE))
  app.get('/favicon.svg', { logLevel: 'warn' }, async (_request, reply) =>
    await reply.type('image/svg+xml').header('cache-control', CACHE_A_DAY).send(ICON))
}
