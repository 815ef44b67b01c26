import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'

/** Bottom floor first. A file imports its own folder or a floor below; folders of one floor do not know each other. */
const FLOORS = [['core'], ['session'], ['tokens'], ['stores', 'testing'], ['plugins', 'compat'], ['service'], ['cli']]
/** Imports nothing of ours, and only `index` files of doors are imported by nobody. */
const ALONE = ['client']

const root = join(import.meta.dirname, '../src')
const folder = (path: string): string => path.split('/')[0] ?? ''
const floor = (path: string): number => FLOORS.findIndex((names) => names.includes(folder(path)))

const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
const importsOf = (file: string): string[] => [...readFileSync(join(root, file), 'utf8')
  .matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)\.js'/g)].map((match) => join(dirname(file), `${match[1]}.ts`))
const imports = new Map(files.map((file) => [file, importsOf(file)]))

t.test('every folder of src stands on a floor', async (t) => {
  for (const file of files) t.ok(file === 'index.ts' || floor(file) >= 0 || ALONE.includes(folder(file)), file)
})

t.test('a file imports its own folder or a floor below, types included', async (t) => {
  for (const [file, targets] of imports) {
    for (const target of targets) {
      t.ok(files.includes(target), `${file} imports ${target}, which is there`)
      if (file === 'index.ts') {
        t.ok(floor(target) < floor('service/'), `the public door does not open on ${target}`)
        continue
      }
      const isBelow = floor(target) >= 0 && floor(target) < floor(file)
      t.ok(folder(target) === folder(file) || (isBelow && !ALONE.includes(folder(file))), `${file} may import ${target}`)
    }
  }
})

t.test('there is no circle of imports, through types either', async (t) => {
  const left = new Map(imports)
  for (let before = -1; before !== left.size;) { // take away what imports nothing that is left
    before = left.size
    for (const [file, targets] of left) if (!targets.some((target) => left.has(target))) left.delete(file)
  }
  t.strictSame([...left.keys()], [])
})

t.test('policy knows neither Fastify nor PostgreSQL', async (t) => {
  for (const file of files.filter((name) => ['core', 'session'].includes(folder(name)))) {
    t.notMatch(readFileSync(join(root, file), 'utf8'), /from '(?:fastify|pg)'/, file)
  }
})

/** Also the two programs, which hand it on, and the embedded PostgreSQL, which starts others. */
const READERS = /^(?:core\/environment\.ts|service\/(?:config\b|embedded-postgres\/|main\.ts)|cli\/silverback\.ts)/

t.test('the environment is read in the configuration alone', async (t) => {
  for (const file of files) {
    if (READERS.test(file)) continue
    t.notMatch(readFileSync(join(root, file), 'utf8'), /process\.env/, file)
  }
})

t.test('the public door holds re-exports and no code', async (t) => {
  const lines = readFileSync(join(root, 'index.ts'), 'utf8').split('\n').filter((line) => line !== '')
  for (const line of lines) t.match(line, /^export (?:type )?\{ .+ \} from '\.\/.+\.js'$/)
})
