/**
 * A Dockerfile followed by hand, for machines without an engine: each stage is a folder, COPY copies what the context
 * and `.dockerignore` let through, RUN runs on this machine with absolute paths led into the folder of the stage.
 *
 * It knows the instructions of our Dockerfile and refuses every other.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { mkdir, readFile, rename, symlink } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** One instruction, its continued lines joined. */
export interface Instruction { readonly name: string, readonly text: string }

/** A stage that was built. */
export interface Stage {
  /** What `/` is in the stage. */
  readonly root: string
  readonly workdir: string
  readonly env: Readonly<Record<string, string>>
  readonly user: string | null
  readonly command: readonly string[]
  readonly healthcheck: readonly string[]
}

/** The instructions of a Dockerfile, without comments. */
export function parseDockerfile (text: string): Instruction[] {
  return text.replace(/^\s*#.*\n/gm, '').replace(/\\\n/g, ' ').split('\n').filter((line) => line.trim() !== '').map((line) => {
    const [, name = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(line.trim()) ?? []
    return { name: name.toUpperCase(), text: rest }
  })
}

/** What COPY takes from the context: sources, and where they go. */
export function copiesOf (instructions: readonly Instruction[]): { readonly from: string | null, readonly sources: readonly string[], readonly to: string }[] {
  return instructions.filter(({ name }) => name === 'COPY').map(({ text }) => {
    const words = text.split(/\s+/)
    const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length) ?? null
    const paths = words.filter((word) => !word.startsWith('--'))
    return { from, sources: paths.slice(0, -1), to: paths.at(-1) ?? '' }
  })
}

/** Whether `.dockerignore` keeps a path of the top level out of the context: the last line that fits decides. */
export function isIgnored (dockerignore: string, path: string): boolean {
  const top = path.split('/', 1)[0] ?? ''
  let ignored = false
  for (const line of dockerignore.split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))) {
    const pattern = line.replace(/^!/, '')
    if (pattern === '*' || pattern === top) ignored = !line.startsWith('!')
  }
  return ignored
}

/** As our Dockerfile installs the tools of the build. */
const INSTALL_TOOLS = 'npm ci --ignore-scripts'

/**
 * Builds all stages below a folder; resolves to the last one. The tools of the build are those that the context has
 * installed already, from the same lock file: to fetch them again takes most of a minute and shows nothing.
 */
export async function buildStages (context: string, folder: string): Promise<Stage> {
  const dockerignore = await readFile(join(context, '.dockerignore'), 'utf8')
  const roots = new Map<string, string>()
  let stage: Stage | undefined
  for (const instruction of parseDockerfile(await readFile(join(context, 'Dockerfile'), 'utf8'))) {
    if (instruction.name === 'FROM') {
      const name = /\sAS\s+(\S+)$/.exec(instruction.text)?.[1] ?? 'final'
      const root = join(folder, name)
      await mkdir(join(root, 'usr/local/bin'), { recursive: true })
      roots.set(name, root)
      stage = { root, workdir: '/', env: {}, user: null, command: [], healthcheck: [] }
    } else if (stage === undefined) {
      throw new Error(`${instruction.name} before FROM`)
    } else {
      stage = await follow(stage, instruction, { context, dockerignore, roots })
    }
  }
  if (stage === undefined) throw new Error('the Dockerfile has no stage')
  return stage
}

interface Surroundings { readonly context: string, readonly dockerignore: string, readonly roots: ReadonlyMap<string, string> }

async function follow (stage: Stage, instruction: Instruction, surroundings: Surroundings): Promise<Stage> {
  const { name, text } = instruction
  switch (name) {
    case 'WORKDIR':
      await mkdir(join(stage.root, text), { recursive: true })
      return { ...stage, workdir: text }
    case 'ENV':
      return { ...stage, env: { ...stage.env, ...Object.fromEntries(text.split(/\s+/).map((pair) => pair.split('=', 2))) } }
    case 'USER':
      return { ...stage, user: text }
    case 'EXPOSE':
      return stage
    case 'CMD':
      return { ...stage, command: JSON.parse(text) }
    case 'HEALTHCHECK':
      return { ...stage, healthcheck: JSON.parse(/CMD\s+(\[.*\])$/.exec(text)?.[1] ?? '') }
    case 'COPY':
      await copy(stage, instruction, surroundings)
      return stage
    case 'RUN':
      if (text === INSTALL_TOOLS) await symlink(join(surroundings.context, 'node_modules'), join(stage.root, stage.workdir, 'node_modules'))
      else await run('sh', ['-euc', within(stage, text)], { cwd: join(stage.root, stage.workdir), env: { ...toolsEnvironment(), ...stage.env } })
      return stage
    default:
      throw new Error(`${name} is not known here`)
  }
}

/** Absolute paths of the image, led into the folder of the stage. */
export const within = ({ root }: Pick<Stage, 'root'>, text: string): string => text.replace(/(?<=^|[\s>"'])\/(?=(?:app|usr)\/)/g, `${root}/`)

async function copy (stage: Stage, instruction: Instruction, { context, dockerignore, roots }: Surroundings): Promise<void> {
  for (const { from, sources, to } of copiesOf([instruction])) {
    const origin = from === null ? context : roots.get(from)
    if (origin === undefined) throw new Error(`COPY from "${from}", which is no stage`)
    for (const source of sources) {
      if (from === null && isIgnored(dockerignore, source)) throw new Error(`${source} is kept out by .dockerignore`)
      const path = join(origin, source)
      if (!existsSync(path)) throw new Error(`COPY ${source}: there is none`)
      const target = join(stage.root, stage.workdir, to)
      // what another stage has made is moved: it is wanted once, and thousands of files need not be written twice
      if (from !== null) await rename(path, target)
      else await run('cp', ['-R', path, target])
    }
  }
}

/** For npm and openssl: where they are, where npm keeps its cache, and what the machine says of its registry. */
export function toolsEnvironment (): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env
  const npm = Object.entries(process.env).filter(([name]) => /^npm_config_(?:cache|registry|userconfig|globalconfig)$/i.test(name))
  return { PATH, HOME, ...Object.fromEntries(npm), npm_config_prefer_offline: 'true', npm_config_update_notifier: 'false' }
}
