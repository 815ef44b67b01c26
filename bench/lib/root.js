/** The checkout that is measured. Its copies of fastify and pg serve every contender, so that all have the same. */

import { createRequire } from 'node:module'

const ROOT = new URL('../../', import.meta.url)

export const fromRoot = createRequire(new URL('package.json', ROOT))
export const urlOf = (path) => new URL(path, ROOT)
