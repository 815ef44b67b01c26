/** Makes what a run needs and a fresh checkout lacks. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { urlOf } from './root.js'

/** Builds `dist/` when it is missing, and installs the peers when they are missing or not those of the lockfile. */
export async function prepare () {
  if (await changedAt('dist/index.js') === 0) await npm('', ['run', 'build'])
  if (await changedAt('bench/node_modules/.package-lock.json') < await changedAt('bench/package-lock.json')) await npm('bench/', ['ci'])
}

/** Milliseconds since 1970; 0: it is not there. */
async function changedAt (path) {
  return await stat(urlOf(path)).then(({ mtimeMs }) => mtimeMs, () => 0)
}

async function npm (folder, args) {
  const child = spawn('npm', args, { cwd: fileURLToPath(urlOf(folder)), stdio: ['ignore', 'ignore', 'inherit'] })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`npm ${args.join(' ')} failed`)
}
