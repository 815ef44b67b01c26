import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freePort } from './free-port.js'

/** Whether `npm test` could not get the program; it says so at its end, and fails in CI. */
export const hasNginx = !(process.env['SILVERBACK_TEST_WITHOUT'] ?? '').split(',').includes('nginx')

/** Runs nginx with docs/nginx.conf, the addresses in it replaced; resolves to where it listens. */
export async function openNginx (t: Test, { silverback, application }: { readonly silverback: string, readonly application: string }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nginx-'))
  await chmod(folder, 0o755) // its workers run as another user when it is started by root
  const port = await freePort()
  const given = await readFile(join(import.meta.dirname, '../../docs/nginx.conf'), 'utf8')
  const server = given
    .replace('127.0.0.1:3000', new URL(silverback).host)
    .replace('127.0.0.1:8080', new URL(application).host)
    .replace('127.0.0.1:8000', `127.0.0.1:${port}`)
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${join(folder, name)};`).join('\n')
  await writeFile(join(folder, 'nginx.conf'), `
daemon off;
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
error_log stderr warn;
events { worker_connections 256; }
http {
access_log off;
${paths}
${server}
}
`)
  const child = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` }
  })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => { log += chunk.toString() })
  t.teardown(async () => {
    if (child.exitCode === null && child.kill('SIGTERM')) await once(child, 'exit')
    await rm(folder, { recursive: true })
  })
  const url = `http://127.0.0.1:${port}`
  while (await fetch(url).then(() => false, () => true)) {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${log}`)
    await new Promise((resolve) => { setTimeout(resolve, 20) })
  }
  return url
}
