/** Text that is HTML already. Only `html` makes it. */
export class Html {
  readonly text: string
  constructor (text: string) { this.text = text }
}

type Part = Html | string | number | readonly Html[]

/** Makes HTML of a template: every part is escaped, unless `html` has made it. For text and for quoted attributes. */
export function html (texts: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(texts.map((text, index) => text + toHtml(parts[index] ?? '')).join(''))
}

function toHtml (part: Part): string {
  if (part instanceof Html) return part.text
  if (typeof part === 'object') return part.map(({ text }) => text).join('')
  return String(part).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)
}
