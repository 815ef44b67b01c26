import { execFile } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import * as source from '../src/index.js'

const ROOT = join(import.meta.dirname, '..')
const run = promisify(execFile)

/** An empty project that has the package. */
function project (t: Test): string {
  const folder = t.testdir({})
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(ROOT, join(folder, 'node_modules/silverback'))
  return folder
}

/** What an expression prints in a project, by import or by require. */
async function evaluate (t: Test, args: string[]): Promise<unknown> {
  const { stdout } = await run(process.execPath, args, { cwd: project(t), env: { PATH: process.env['PATH'] } })
  return JSON.parse(stdout)
}

t.test('import and require give the same names: those of src/index.ts', async (t) => {
  const names = Object.keys(source).sort()
  t.strictSame(await evaluate(t, ['--input-type=module', '-e', "import * as s from 'silverback'; console.log(JSON.stringify(Object.keys(s).sort()))"]), names)
  t.strictSame(await evaluate(t, ['--input-type=commonjs', '--no-warnings', '-e', "console.log(JSON.stringify(Object.keys(require('silverback')).filter((name) => name !== '__esModule').sort()))"]), names)
})

t.test('require and import give one and the same class: instanceof works across both', async (t) => {
  const program = "import { StoreError } from 'silverback'; import { createRequire } from 'node:module'; console.log(new StoreError('x') instanceof createRequire(import.meta.url)('silverback').StoreError)"
  t.equal(await evaluate(t, ['--input-type=module', '--no-warnings', '-e', program]), true)
})

t.test('the contract of stores has a door of its own', async (t) => {
  t.strictSame(await evaluate(t, ['--input-type=module', '-e', "import * as s from 'silverback/testing'; console.log(JSON.stringify(Object.keys(s).sort()))"]), ['storeContract', 'tokenContract'])
})

t.test('the browser client has a door of its own', async (t) => {
  t.strictSame(await evaluate(t, ['--input-type=module', '-e', "import * as s from 'silverback/client'; console.log(JSON.stringify(Object.keys(s)))"]), ['createClient'])
})

t.test('the package brings what it needs, and nothing of the tests', async (t) => {
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: ROOT })
  const [pack]: { files: { path: string }[] }[] = JSON.parse(stdout)
  const files = pack?.files.map(({ path }) => path) ?? []
  for (const needed of ['dist/index.js', 'dist/index.d.ts', 'dist/testing/index.js', 'dist/client/index.js', 'dist/client/index.d.ts', 'dist/service/main.js', 'dist/cli/silverback.js', 'dist/openapi.json', 'dist/service/pages/views/layout.eta', 'dist/service/pages/public/style.css', 'migrations/0001_sessions.sql', 'migrations/0002_tokens.sql', 'migrations/0003_cache.sql', 'migrations/service/0001_users.sql', 'migrations/service/0002_operation.sql', 'docs/operations/dashboard.json', 'docs/operations/alerts.yml', 'README.md', 'LICENSE', 'SECURITY.md', 'CHANGELOG.md', 'docs/grants.sql', 'docs/nginx.conf']) {
    t.ok(files.includes(needed), needed)
  }
  t.strictSame(files.filter((file) => /^(?:test|bench|src|\.)/.test(file)), [])
})
