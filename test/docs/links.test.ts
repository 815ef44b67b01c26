import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import t from 'tap'
import { ROOT } from '../helpers/document.js'

/** What is read by people: the root's documents and those of docs/, but not what is generated. */
const PAGES = [ROOT, join(ROOT, 'docs'), join(ROOT, 'docs/operations')]
  .filter((folder) => existsSync(folder))
  .flatMap((folder) => readdirSync(folder).filter((name) => name.endsWith('.md')).map((name) => join(folder, name)))

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf (path: string): Set<string> {
  const text = readFileSync(path, 'utf8').replace(/^```[\s\S]*?^```/gm, '')
  return new Set([...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').trim().replaceAll(' ', '-')))
}

t.test('every link between the documents leads to a file, and to a heading in it', async (t) => {
  let links = 0
  for (const page of PAGES) {
    const text = readFileSync(page, 'utf8').replace(/^```[\s\S]*?^```/gm, '')
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      links++
      const [path = '', anchor] = target.split('#', 2)
      const file = path === '' ? page : join(dirname(page), path)
      const from = relative(ROOT, page)
      t.ok(existsSync(file), `${from}: ${target}`)
      if (anchor !== undefined && existsSync(file) && statSync(file).isFile()) t.ok(anchorsOf(file).has(anchor), `${from}: ${target} has that heading`)
    }
  }
  t.ok(links > 50, `${links} links`)
})

t.test('the index names every page of docs/', async (t) => {
  const index = readFileSync(join(ROOT, 'docs/README.md'), 'utf8')
  for (const name of readdirSync(join(ROOT, 'docs'))) {
    // a picture belongs to its page
    if (name !== 'README.md' && !name.endsWith('.svg')) t.match(index, `](${name}`, name)
  }
})
