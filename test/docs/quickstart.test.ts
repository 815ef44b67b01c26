import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { freshDatabase } from '../helpers/database.js'
import { toolsEnvironment } from '../helpers/dockerfile.js'
import { followTranscript, readDocument, ROOT, runCommands, startProgram } from '../helpers/document.js'
import { freePort } from '../helpers/free-port.js'

const document = readDocument('docs/quickstart.md')

/** The package as npm would hand it out, from the build that is there. */
async function pack (folder: string): Promise<string> {
  await promisify(execFile)('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: ROOT, env: toolsEnvironment() })
  const [file = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
  return join(folder, file)
}

t.test('the quickstart leads from an empty folder to a page that only signed-in users see', async (t) => {
  const { connectionString } = await freshDatabase(t)
  const folder = t.testdir({ pack: {} })
  const port = await freePort()
  const tarball = await pack(join(folder, 'pack'))

  await runCommands([`${document.block('install').replace(' silverback ', ` ${tarball} `)} >&2`], { cwd: folder, env: toolsEnvironment() })
  const app = join(folder, 'my-app')
  const { dependencies } = JSON.parse(readFileSync(join(app, 'package.json'), 'utf8'))
  t.strictSame(Object.keys(dependencies).sort(), ['@fastify/formbody', 'fastify', 'silverback'])

  writeFileSync(join(app, 'server.mjs'), document.block('server').replace('port: 3000', `port: ${port}`))
  const [makeKey = '', start = ''] = document.block('start').split('\n')
  await runCommands([makeKey], { cwd: app })
  const [program, ...args] = start.split(' ')
  t.equal(program, 'node')
  const program3 = { args, cwd: app, env: { ...toolsEnvironment(), DATABASE_URL: connectionString }, port }

  const first = await startProgram(t, program3)
  await followTranscript(t, document.transcript('transcript: sign in'), { cwd: app, port })
  await first.stop()
  await startProgram(t, program3)
  await followTranscript(t, document.transcript('transcript: after a restart'), { cwd: app, port })
})
