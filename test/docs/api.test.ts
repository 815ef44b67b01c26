import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { ROOT } from '../helpers/document.js'

const API = join(ROOT, 'docs/api')
const packageJson: { readonly exports: Record<string, { readonly types?: string }> } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const typedoc: { readonly entryPoints: string[] } = JSON.parse(readFileSync(join(ROOT, 'typedoc.json'), 'utf8'))

t.test('the API reference is that of the public doors of the package', async (t) => {
  const doors = Object.values(packageJson.exports).flatMap(({ types }) => types ?? [])
  t.strictSame(typedoc.entryPoints.map((path) => path.replace('src/', './dist/').replace(/\.ts$/, '.d.ts')).sort(), doors.sort())
})

t.test('the API reference says what the types say today, and every public type is in it: else run `npm run docs:api`', async (t) => {
  const folder = t.testdir({})
  // a type that the reference names and does not show is a warning, and a warning is a failure
  await promisify(execFile)(process.execPath, [join(ROOT, 'node_modules/typedoc/bin/typedoc'), '--out', folder], { cwd: ROOT })
  const fresh = readdirSync(folder).filter((name) => name.endsWith('.md')).sort()
  t.strictSame(readdirSync(API).sort(), fresh)
  for (const name of fresh) t.ok(readFileSync(join(API, name), 'utf8') === readFileSync(join(folder, name), 'utf8'), `${name} is up to date`)
})
