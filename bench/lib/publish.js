/** Where the figures of a run go. */

import { readFile, writeFile } from 'node:fs/promises'
import { urlOf } from './root.js'

/**
 * A kind of run: `name` begins its files' names and marks its place in `page`; `toMarkdown` and `toChart` tell its
 * result; without `toChart` there is no picture.
 *
 * @typedef {{ name: string, page: string, toMarkdown: (result: object) => string, toChart?: (result: object) => string, alt?: string }} Report
 */

/**
 * Prints a result and writes it to bench/results: JSON, and a picture beside it. With `docs` the page of the report is
 * rewritten between its markers, and the picture put beside the page.
 *
 * @param from the file that the result was read from; `undefined`: it is new, and gets one
 */
export async function publish (result, report, { docs, from }) {
  const base = from === undefined ? `bench/results/${report.name}-${new Date().toISOString().replace(/[:.]/g, '-')}` : from.replace(/\.json$/, '')
  if (from === undefined) await writeFile(urlOf(`${base}.json`), `${JSON.stringify(result, null, 2)}\n`)
  if (report.toChart !== undefined) await writeFile(urlOf(`${base}.svg`), report.toChart(result))
  console.log(`\n${report.toMarkdown(result)}\n${base}.json`)
  if (docs) await document(result, report)
}

async function document (result, report) {
  const picture = report.toChart === undefined ? '' : `![${report.alt}](${report.name}.svg)\n\n`
  if (report.toChart !== undefined) await writeFile(urlOf(`docs/${report.name}.svg`), report.toChart(result))
  const page = urlOf(`docs/${report.page}`)
  await writeFile(page, between(await readFile(page, 'utf8'), report.name, picture + report.toMarkdown(result)))
}

/** The page with other contents between the two markers of that name. @throws Error when they are not there, once each */
export function between (page, name, contents) {
  const [start, end] = [`<!-- figures: ${name} -->`, `<!-- end of figures: ${name} -->`]
  const [before, rest, ...more] = page.split(start)
  const [old, after, ...tooMuch] = (rest ?? '').split(end)
  if (old === undefined || after === undefined || more.length + tooMuch.length > 0) throw new Error(`the page must have ${start} and then ${end}, once each`)
  return `${before}${start}\n\n${contents.trim()}\n\n${end}${after}`
}

/** The result in a file that an earlier run has written. @throws TypeError when it cannot be read */
export async function readResult (file) {
  try {
    return JSON.parse(await readFile(urlOf(file), 'utf8'))
  } catch (error) {
    throw new TypeError(`--from: ${file} cannot be read: ${error.message}`)
  }
}
