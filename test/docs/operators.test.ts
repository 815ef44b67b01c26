import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { SECRETS, VARIABLES } from '../../src/service/config.js'
import { toolsEnvironment } from '../helpers/dockerfile.js'
import { readDocument, ROOT } from '../helpers/document.js'

const { text } = readDocument('docs/operators.md')
const code = [...text.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)

t.test('every variable that the guide for operators names is one that the service, or what is named with it, reads', async (t) => {
  const others = ['SILVERBACK_URL', 'UV_THREADPOOL_SIZE', 'X_FILE']
  const named = [...new Set(code.flatMap((code) => /^([A-Z][A-Z_]+[A-Z])(?:=\S*)?$/.exec(code)?.[1] ?? []))].filter((name) => !name.startsWith('ERR_'))
  t.ok(named.length > 15, named.join(' '))
  for (const name of named) t.ok(VARIABLES.includes(name) || others.includes(name) || !name.includes('_'), name)
})

t.test('the table of keys has every secret that holds keys', async (t) => {
  const keys = SECRETS.filter((name) => name.endsWith('_KEYS'))
  for (const name of keys) t.match(text, new RegExp(`^\\| \`${name}\` \\|`, 'm'), name)
})

t.test('every command that the guide for operators names is one of the command line', async (t) => {
  const program = join(ROOT, 'dist/cli/silverback.js')
  const commands = new Set(code.filter((code) => code.startsWith('silverback ')).map((code) => {
    const words = code.split(' ').slice(1)
    return words.slice(0, words.findIndex((word) => !/^[a-z-]+$/.test(word) || word.startsWith('-')) >>> 0).join(' ')
  }))
  t.ok(commands.size >= 9, [...commands].join(', '))
  for (const command of commands) {
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...command.split(' '), '--help'], { env: toolsEnvironment() })
    t.match(stdout, `Usage: silverback ${command}`, command)
  }
})

t.test('the scripts of npm that the documentation names are there', async (t) => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  for (const path of ['docs/operators.md', 'docs/guide.md', 'docs/quickstart.md', 'docs/README.md']) {
    for (const [, name = ''] of readDocument(path).text.matchAll(/npm run ([\w:]+)/g)) t.ok(Object.hasOwn(scripts, name), `${path}: npm run ${name}`)
  }
})
