/** Where the pages for administrators are. Ids of users may be those of another application: any text. */

export const sessionUrl = (id: string): string => `/admin/sessions/${encodeURIComponent(id)}`
export const userUrl = (id: string): string => `/admin/users/${encodeURIComponent(id)}`

/** What of a search stands in the query; what is absent or empty does not. */
export function findUrl (search: Readonly<Partial<Record<'q' | 'user' | 'cursor', string | null | undefined>>>): string {
  const query = new URLSearchParams(Object.entries(search).flatMap(([name, value]): [string, string][] => typeof value === 'string' && value !== '' ? [[name, value]] : []))
  return query.size === 0 ? '/admin/find' : `/admin/find?${query.toString()}`
}
