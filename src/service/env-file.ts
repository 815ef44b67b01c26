/** Reads `.env` of the folder in which the program was started, if there is one. What is set already stays. */
export function readEnvFile (): void {
  try {
    process.loadEnvFile()
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
}
