import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'

const DIST = join(import.meta.dirname, '../../dist')

for (const [title, program] of [['the service', ['service/main.js']], ['the command line', ['cli/silverback.js', 'check-config']]] as const) {
  void t.test(`${title} reads .env of the folder that it is started in, and what is set already stays`, async (t) => {
    const cwd = t.testdir({ '.env': 'PORT=abc\nLOG_LEVEL=loud\n' })
    const [file, ...args] = program
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(DIST, file), ...args], { cwd, env: { PATH: process.env['PATH'], PORT: '0', DATA_DIR: cwd }, encoding: 'utf8' })
    t.not(status, 0)
    t.notMatch(stdout + stderr, /PORT must/)
    t.match(stdout + stderr, /LOG_LEVEL/)
    t.notMatch(stdout + stderr, /abc|ExperimentalWarning/, 'no value is told, and nothing else')
  })
}
