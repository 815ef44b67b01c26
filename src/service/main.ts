import { readEnvFile } from './env-file.js'
import { runService } from './run.js'

readEnvFile()
const fault = await runService(process.env)
if (fault !== null) {
  console.error(fault)
  process.exitCode = 1
}
