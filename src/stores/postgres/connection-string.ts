import pg from 'pg'

/** Whether a host is this machine: a folder of sockets, or a loopback name or address. */
export function isLocal (host: string): boolean {
  return host.startsWith('/') || /^(?:localhost|127(?:\.\d{1,3}){3}|::1|\[::1\])$/i.test(host)
}

/**
 * What is wrong with a connection string; `null`: nothing. The answer shows nothing of it.
 *
 * In production a host elsewhere must be reached by TLS with its certificate checked (ASVS 12.3). The driver itself
 * reads the string, so that this judges what will be done.
 */
export function databaseUrlFault (url: string, isProduction: boolean): string | null {
  if (!/^postgres(?:ql)?:\/\//.test(url)) return 'must begin with postgres:// or postgresql://'
  let client: pg.Client
  try {
    client = new pg.Client({ connectionString: url }) // connects to nothing
  } catch (error) {
    const isFile = error instanceof Error && 'syscall' in error
    return isFile ? 'names a certificate or key file that cannot be read' : 'is not a connection string that pg can read'
  }
  if (!isProduction || isLocal(client.host)) return null
  const ssl: unknown = client.ssl // typed as a boolean; it holds options as well
  if (ssl === false || ssl === undefined) return 'leads to another host without TLS, which production refuses: add sslmode=verify-full'
  if (ssl !== true && !isVerified(ssl)) return 'leads to another host whose certificate is not checked, which production refuses: use sslmode=verify-full'
  return null
}

function isVerified (ssl: unknown): boolean {
  return typeof ssl === 'object' && ssl !== null &&
    !('rejectUnauthorized' in ssl && ssl.rejectUnauthorized === false) && !('checkServerIdentity' in ssl)
}
