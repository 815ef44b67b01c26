import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { diagnose } from '../../service/doctor/doctor.js'
import { CHECKS } from '../../service/doctor/finding.js'
import type { Finding } from '../../service/doctor/finding.js'
import { explainCommand } from '../help.js'
import { EXIT, print, printable, printJson } from '../terminal.js'
import type { Terminal } from '../terminal.js'

export function addDoctor (program: Command, { env, out, leave }: Terminal): void {
  const command = program.command('doctor')
    .description('look for what is wrong with configuration, proxy and database, and say what to do')
    .option('--url <address>', 'where browsers reach the service: compares what it sends there with the configuration', toAddress)
    .option('--json', 'as JSON')
    .action(async ({ url, json = false }: { url?: URL, json?: boolean }) => {
      const findings = await diagnose({ env, ...(url !== undefined && { publicUrl: url }) })
      const isFaulty = findings.some(({ outcome }) => outcome === 'fault')
      if (json) printJson(out, { sound: !isFaulty, findings })
      else print(out, ...findings.flatMap(toLines), summary(findings))
      if (isFaulty) leave(EXIT.wrong)
    })
  explainCommand(command, {
    list: { title: 'Checks', lines: Object.entries(CHECKS) },
    notes: [
      'Run it with the environment of the service. It changes nothing; with --url it begins a session of a visitor and ends it.'
    ],
    json: '{ "sound": boolean, "findings": [{ "check": name, "outcome": "ok" | "warning" | "fault",\n  "message": line, "remedy": line | null }] }',
    wrong: 'a fault was found',
    examples: [
      ['silverback doctor', 'everything but the way from the browser'],
      ['silverback doctor --url https://id.example.com', 'that, too']
    ]
  })
}

function toLines ({ check, outcome, message, remedy }: Finding): string[] {
  const head = `${outcome.padEnd(8)} ${check.padEnd(14)} ${printable(message)}`
  return remedy === null ? [head] : [head, `${' '.repeat(24)}-> ${printable(remedy)}`]
}

function summary (findings: readonly Finding[]): string {
  const count = (outcome: Finding['outcome']): number => findings.filter((finding) => finding.outcome === outcome).length
  return `${count('fault')} faults, ${count('warning')} warnings, ${count('ok')} ok`
}

function toAddress (text: string): URL {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) throw new InvalidArgumentError('It must be an address such as https://id.example.com')
  return new URL(text)
}
