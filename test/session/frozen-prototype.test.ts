import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

t.test('3D-06: sessions work where Object.prototype is frozen and __proto__ throws', async (t) => {
  const program = join(import.meta.dirname, 'frozen-prototype.program.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, '--disable-proto=throw', program], { env: { ...process.env, TAP: '' } })
  t.equal(stdout, 'done')
})
