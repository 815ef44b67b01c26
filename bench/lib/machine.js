import os from 'node:os'

/** On what a run was made. No host name, no path, no address. */
export function describeMachine () {
  const cpus = os.cpus()
  return {
    date: new Date().toISOString().slice(0, 10),
    cores: os.availableParallelism(),
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node
  }
}

/** How busy the machine was in the last minute, ours and others'. */
export const loadAverage = () => Number(os.loadavg()[0].toFixed(2))

/** The same in a sentence, with what the server said of itself and how busy the machine was. */
export function tellMachine ({ date, cores, cpu, memoryGiB, node, postgres, loadAverage }) {
  return `${date}, ${cores} cores (${cpu}), ${memoryGiB} GiB, Node.js ${node}, PostgreSQL ${postgres.server_version} ` +
    `(fsync ${postgres.fsync}, synchronous_commit ${postgres.synchronous_commit}, shared_buffers ${postgres.shared_buffers}); load average ${loadAverage.join(' → ')}.`
}
