import { runService } from './run.js'

const fault = await runService(process.env)
if (fault !== null) {
  console.error(fault)
  process.exitCode = 1
}
