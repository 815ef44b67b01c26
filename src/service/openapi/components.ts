import { isDeepStrictEqual } from 'node:util'

/**
 * Puts every schema that has a title among the components of a document, and a reference in its place. It is written
 * once, and programs that are made from the document have one type of it.
 *
 * @throws TypeError for two schemas of one title that differ
 */
export function shareSchemas<T extends { components?: { schemas?: object } }> (document: T): T {
  const schemas: Record<string, unknown> = {}
  const share = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(share)
    if (typeof node !== 'object' || node === null) return node
    const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, isData(key) ? value : share(value)]))
    const { title } = copy
    if (typeof title !== 'string' || 'version' in copy) return copy // the `info` of the document has a title, too
    if (title in schemas && !isDeepStrictEqual(schemas[title], copy)) throw new TypeError(`two schemas have the title "${title}"`)
    schemas[title] = copy
    return { $ref: `#/components/schemas/${title}` }
  }
  const paths = Reflect.get(document, 'paths')
  return { ...document, paths: share(paths), components: { ...document.components, schemas } }
}

/** What holds examples, not schemas. */
const isData = (key: string): boolean => key === 'example' || key === 'examples'
