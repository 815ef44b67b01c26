/** Reads the text format of Prometheus as strictly as promtool does. */

/** A family of figures. */
export interface Family {
  readonly name: string
  readonly type: string
  readonly samples: Sample[]
}

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const LABEL = '([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\\\\n]|\\\\[\\\\n"])*)"'
// Go, which reads it, takes "Nan", too
const SAMPLE = new RegExp(`^(?<name>${NAME})(?:\\{(?<labels>${LABEL}(?:,${LABEL})*)\\})? (?<value>[+-]?(?:[0-9.]+(?:e[+-]?[0-9]+)?|Inf)|Na[nN])$`)
const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped']
const SUFFIXES: Readonly<Record<string, readonly string[]>> = { histogram: ['_bucket', '_sum', '_count'], summary: ['', '_sum', '_count'] }

/** The families of a text, by name. @throws for anything that Prometheus or promtool would complain of */
export function readFamilies (text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  const families = new Map<string, Family>()
  const helped = new Set<string>()
  const series = new Set<string>()
  let current: Family | undefined
  for (const line of text.split('\n')) {
    if (line === '') continue
    const [, help] = new RegExp(`^# HELP (${NAME}) \\S`).exec(line) ?? []
    const [, typed, type = ''] = new RegExp(`^# TYPE (${NAME}) (\\w+)$`).exec(line) ?? []
    if (help !== undefined) {
      if (helped.has(help)) throw new Error(`a second HELP of ${help}`)
      helped.add(help)
    } else if (typed !== undefined) {
      if (families.has(typed) || !helped.has(typed) || !TYPES.includes(type)) throw new Error(`TYPE comes twice, before HELP, or is none: ${line}`)
      if ((type === 'counter') !== typed.endsWith('_total')) throw new Error(`counters and nothing else end in _total: ${line}`)
      current = { name: typed, type, samples: [] }
      families.set(typed, current)
    } else {
      current?.samples.push(readSample(line, current, series))
      if (current === undefined) throw new Error(`a sample without a family: ${line}`)
    }
  }
  for (const family of families.values()) if (family.type === 'histogram') checkHistogram(family)
  return families
}

function readSample (line: string, { name: family, type }: Family, series: Set<string>): Sample {
  const { name = '', labels: inBraces = '', value = '' } = SAMPLE.exec(line)?.groups ?? {}
  const fits = (SUFFIXES[type] ?? ['']).some((suffix) => name === family + suffix)
  if (!fits) throw new Error(`no sample of ${family}: ${line}`)
  const pairs = [...inBraces.matchAll(new RegExp(LABEL, 'g'))].map(([, label = '', text = '']): [string, string] => [label, text])
  const labels = Object.fromEntries(pairs)
  if (Object.keys(labels).length !== pairs.length) throw new Error(`a label twice: ${line}`)
  const key = `${name} ${JSON.stringify(pairs.toSorted())}`
  if (series.has(key)) throw new Error(`a series twice: ${line}`)
  series.add(key)
  return { name, labels, value: Number(value.replace('Inf', 'Infinity').replace('Nan', 'NaN')) }
}

/** Buckets grow, and the last is the count. */
function checkHistogram ({ name, samples }: Family): void {
  const groups = new Map<string, number[]>()
  const keyOf = ({ labels: { le: _le, ...rest } }: Sample): string => JSON.stringify(Object.entries(rest).toSorted())
  for (const sample of samples.filter((one) => one.name === `${name}_bucket`)) groups.set(keyOf(sample), [...groups.get(keyOf(sample)) ?? [], sample.value])
  for (const [key, buckets] of groups) {
    const count = samples.find((one) => one.name === `${name}_count` && keyOf(one) === key)?.value
    if (buckets.some((value, n) => value < (buckets[n - 1] ?? 0)) || buckets.at(-1) !== count) throw new Error(`buckets of ${name} do not add up: ${key}`)
  }
}

const WORDS = new Set([
  'sum', 'rate', 'increase', 'max', 'min', 'avg', 'absent', 'histogram_quantile', 'by', 'without', 'and', 'or', 'unless', 'on', 'ignoring', 'group_left', 'group_right', 'bool'
])

/** What an expression of PromQL reads: the names of metrics, with the labels and texts that it selects by. */
export function namesIn (expression: string): { readonly name: string, readonly labels: readonly (readonly [string, string])[] }[] {
  const plain = expression.replaceAll(/\b(?:by|without) \([^)]*\)/g, ' ').replaceAll(/\[[^\]]*\]/g, ' ')
  return [...plain.matchAll(new RegExp(`(${NAME})(?:\\{([^}]*)\\})?`, 'g'))]
    .filter(([, name = '']) => !WORDS.has(name))
    .map(([, name = '', selector = '']) => ({ name, labels: [...selector.matchAll(/(\w+)(?:=~|!~|!=|=)"([^"]*)"/g)].map(([, label = '', text = '']) => [label, text] as const) }))
}
