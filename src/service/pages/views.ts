import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import staticFiles from '@fastify/static'
import view from '@fastify/view'
import { Eta } from 'eta'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'

const VIEWS = join(import.meta.dirname, 'views')
const PUBLIC = join(import.meta.dirname, 'public')

/** The templates, and the style and the icon that they load: nothing else is loaded, and these by anybody at any time. */
export const views: FastifyPluginAsync = fp(async (app) => {
  const asset = assetUrls()
  await app.register(view, { engine: { eta: new Eta() }, templates: VIEWS, viewExt: 'eta', production: true, defaultContext: { asset } })
  await app.register(async (app) => {
    app.addHook('onRoute', (route) => { route.config = { ...route.config, always: true } })
    await app.register(staticFiles, { root: PUBLIC, wildcard: false, index: false, maxAge: '365d', immutable: true, logLevel: 'warn' })
  })
})

/** Where the files are. Another content has another address, so that browsers keep them for ever. */
function assetUrls (): (name: string) => string {
  const urls = new Map(readdirSync(PUBLIC).map((name): [string, string] => {
    const hash = createHash('sha256').update(readFileSync(join(PUBLIC, name))).digest('hex')
    return [name, `/${name}?v=${hash.slice(0, 12)}`]
  }))
  return (name) => {
    const url = urls.get(name)
    if (url === undefined) throw new TypeError(`there is no file "${name}" to load`)
    return url
  }
}
