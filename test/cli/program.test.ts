import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { PROGRAM, runProgram, silverback } from './command.js'

const COMMANDS = [
  '', 'serve', 'migrate', 'keys', 'keys generate', 'sessions', 'sessions list', 'sessions show', 'sessions end', 'sessions block', 'sessions unblock',
  'users', 'users promote', 'users disable', 'users enable', 'users logout', 'cleanup', 'stats', 'doctor', 'check-config'
]

void t.test('the help of every command has an example of it and its exit codes, and of listings the shape of --json', async (t) => {
  for (const command of COMMANDS) {
    const { code, out } = await silverback(t, {}, ...command.split(' ').filter((word) => word !== ''), '--help')
    t.equal(code, 0, command)
    t.match(out, new RegExp(`^Examples:\\n  \\$ .*silverback.* ${command.split(' ').at(-1) ?? ''}`, 'm'), command)
    t.match(out, /^Exit codes: 0 done; 1 failed; 2 wrong usage/m, command)
    if (out.includes('--json  ')) t.match(out, /^With --json:\n {2}\{/m, command)
    for (const line of out.split('\n')) t.ok(line.length <= 140, line)
  }
})

void t.test('the help of the program names every command', async (t) => {
  const { out } = await silverback(t, {}, '--help')
  for (const command of COMMANDS) t.match(out, new RegExp(`^ {2}${command.split(' ')[0] ?? ''}`, 'm'))
})

void t.test('wrong usage ends with 2 and says so on standard error', async (t) => {
  for (const args of [[], ['nonsense'], ['sessions'], ['users', 'nonsense'], ['keys', 'generate', 'nonsense'], ['stats', '--nonsense'], ['doctor', '--url', 'nonsense'], ['cleanup', 'all']]) {
    t.match(await silverback(t, {}, ...args), { code: 2, out: '', err: /./ }, args.join(' '))
  }
})

void t.test('--version is that of the package', async (t) => {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as { version: string }
  t.strictSame(await silverback(t, {}, '--version'), { code: 0, out: `${version}\n`, err: '' })
})

void t.test('the file .env is read where there is one, and what is set already stays', async (t) => {
  const folder = t.testdir({ '.env': 'PORT=hunter2\nLOG_LEVEL=debug\n' })
  const check = async (env: NodeJS.ProcessEnv) => await runProgram(t, env, 'sh', '-c', `cd '${folder}' && exec '${process.execPath}' '${PROGRAM}' check-config`)
  t.match(await check({}), { code: 3, out: /PORT must be/ })
  t.match(await check({ PORT: '3000' }), { code: 0 })
})

void t.test('what cannot be written is said in one line', async (t) => {
  t.match(await runProgram(t, {}, 'sh', '-c', `exec '${process.execPath}' '${PROGRAM}' --help > /dev/full`), { code: 1, err: /^silverback: .*ENOSPC.*\n$/ })
})
