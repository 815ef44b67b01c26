import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { RECORDED, WITNESSED } from '../../src/service/events/event.js'
import { namesIn, readFamilies } from '../helpers/prometheus.js'
import { openService } from '../helpers/service-app.js'

const read = (name: string): string => readFileSync(join(import.meta.dirname, '../../docs/operations', name), 'utf8')
const README = read('README.md')

interface Rule { readonly alert: string, readonly expr: string, readonly labels?: { readonly severity?: string }, readonly annotations?: { readonly summary?: string } }
interface Panel { readonly id: number, readonly type: string, readonly title: string, readonly gridPos: { readonly x: number, readonly y: number, readonly w: number, readonly h: number }, readonly targets?: readonly { readonly expr: string, readonly refId: string }[] }

const rules = (parse(read('alerts.yml')) as { readonly groups: readonly { readonly name: string, readonly rules: readonly Rule[] }[] }).groups.flatMap((group) => group.rules)
const dashboard = JSON.parse(read('dashboard.json')) as { readonly uid: string, readonly title: string, readonly schemaVersion: number, readonly panels: readonly Panel[], readonly templating: { readonly list: readonly { readonly name: string, readonly type: string }[] } }

/** What does not add up between an expression and what /metrics says. */
async function faultsOf (t: Parameters<typeof openService>[0], expressions: readonly string[]): Promise<string[]> {
  const app = await openService(t)
  const families = readFamilies((await app.inject('/metrics')).body)
  const known = new Map([...families.values()].flatMap(({ name, type }) => (type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']).map((suffix) => [name + suffix, name] as const)))
  return expressions.flatMap((expression) => namesIn(expression).flatMap(({ name, labels }) => {
    const family = families.get(known.get(name) ?? '')
    if (family === undefined) return [`${name} is not there: ${expression}`]
    return labels.filter(([label, text]) => {
      const values = family.samples.map((sample) => sample.labels[label]).filter((value) => value !== undefined)
      return values.length > 0 && /^\w+$/.test(text) && !values.includes(text)
    }).map(([label, text]) => `${name} has no ${label} ${text}: ${expression}`)
  }))
}

void t.test('every figure that an alert reads is there', async (t) => {
  t.ok(rules.length >= 10)
  t.strictSame(await faultsOf(t, rules.map(({ expr }) => expr)), [])
  t.match(await faultsOf(t, ['rate(silverback_nonsense_total[5m]) > 0', 'silverback_alarms_total{kind="odd"}']), [/is not there/, /has no kind odd/], 'the test can see what is not')
})

void t.test('every figure that the dashboard reads is there', async (t) => {
  const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  t.ok(expressions.length >= 20)
  t.strictSame(await faultsOf(t, expressions), [])
  for (const expression of expressions) t.match(expression.replaceAll('$__rate_interval', '5m'), /^[^$]*$/, 'no variable that is not declared')
})

void t.test('every figure of the service’s own is on the dashboard', async (t) => {
  const app = await openService(t)
  const shown = read('dashboard.json')
  for (const name of readFamilies((await app.inject('/metrics')).body).keys()) {
    if (name.startsWith('silverback_')) t.ok(shown.includes(name), name)
  }
})

void t.test('the dashboard is one that Grafana takes: panels with ids of their own, none on top of another', async (t) => {
  t.match(dashboard, { uid: 'silverback', title: 'Silverback', schemaVersion: Number, templating: { list: [{ name: 'datasource', type: 'datasource' }] } })
  t.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length)
  const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) => Array.from({ length: w * h }, (_, n) => `${x + n % w} ${y + Math.floor(n / w)}`))
  t.equal(new Set(cells).size, cells.length)
  t.ok(dashboard.panels.every(({ gridPos: { x, w } }) => x + w <= 24))
})

void t.test('every alert has a name of its own, says how bad it is, and is explained with what to do', async (t) => {
  t.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length)
  const explained = [...README.matchAll(/^### (\w+)\n(.{80,})/gm)].map(([, name = '']) => name)
  t.strictSame(explained, rules.map(({ alert }) => alert))
  for (const { labels, annotations, alert } of rules) {
    t.match(labels?.severity, /^(?:warning|critical)$/, alert)
    t.match(annotations?.summary, /^.{20,}$/, alert)
  }
})

void t.test('every kind of event is explained', async (t) => {
  for (const kind of [...WITNESSED, ...RECORDED]) t.ok(README.includes(`\`${kind}\``), kind)
})
