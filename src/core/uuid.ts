const FORM = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/

/** Whether a text is a UUID as this library and PostgreSQL write it: in small letters, with hyphens. */
export const isUuid = (text: string): boolean => FORM.test(text)

/** The text of the UUID that is 16 of these bytes. */
export function uuidIn (bytes: Buffer, start: number): string {
  const hex = bytes.toString('hex', start, start + 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
