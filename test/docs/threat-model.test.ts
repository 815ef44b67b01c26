import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readDocument, ROOT } from '../helpers/document.js'

const { text } = readDocument('docs/threat-model.md')

t.test('each promise of the threat model names test files, and they are there', async (t) => {
  const promised = text.slice(text.indexOf('## What is promised'), text.indexOf('## What is not promised'))
  const rows = promised.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| promise'))
  t.ok(rows.length > 30, `${rows.length} promises`)
  for (const row of rows) {
    const [, promise = '', evidence = ''] = row.split(' | ').length === 2 ? [row, ...row.split(' | ')] : []
    const files = [...evidence.matchAll(/`([\w/-]+\.test\.ts)`/g)].map(([, file = '']) => file)
    t.ok(files.length > 0, promise)
    for (const file of files) t.ok(existsSync(join(ROOT, 'test', file)), file)
  }
})
