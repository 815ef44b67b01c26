import { readFile } from 'node:fs/promises'
import { urlOf } from './root.js'

const PACKAGES = {
  silverback: 'package.json',
  fastify: 'node_modules/fastify/package.json',
  pg: 'node_modules/pg/package.json',
  '@fastify/cookie': 'node_modules/@fastify/cookie/package.json',
  '@fastify/secure-session': 'node_modules/@fastify/secure-session/package.json',
  '@fastify/session': 'bench/node_modules/@fastify/session/package.json',
  'connect-pg-simple': 'bench/node_modules/connect-pg-simple/package.json',
  express: 'bench/node_modules/express/package.json',
  'express-session': 'bench/node_modules/express-session/package.json'
}

/** The version of each package that takes part. */
export async function packageVersions () {
  const entries = Object.entries(PACKAGES).map(async ([name, path]) => [name, JSON.parse(await readFile(urlOf(path), 'utf8')).version])
  return Object.fromEntries(await Promise.all(entries))
}
