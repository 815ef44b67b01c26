import t from 'tap'
import { localPath } from '../../src/service/pages/local-path.js'
import { prefersPage } from '../../src/service/pages/prefers-page.js'
import { inWords, toMoment } from '../../src/service/pages/time-words.js'

void t.test('attack, open redirect: a path to go to leads nowhere else', async (t) => {
  for (const evil of [
    'https://evil.example', '//evil.example', '///evil.example', '/\\evil.example', '\\\\evil.example', '/\t/evil.example', '/\n/evil.example', '/..//evil.example',
    '/.//evil.example', '/%2e%2e//evil.example', 'javascript:alert(1)', 'evil.example', '', ' /login', '\u0000/x', `/${'x'.repeat(600)}`, null, undefined, 7, ['/'], {}
  ]) t.equal(localPath(evil), null, JSON.stringify(evil))
})

void t.test('a path of the service is kept, with its query and without its fragment', async (t) => {
  const kept: Record<string, string> = { '/': '/', '/account/sessions': '/account/sessions', '/admin?q=a%20b&user=': '/admin?q=a%20b&user=', '/a#b': '/a', '/a/../b': '/b', '/ä"<': '/%C3%A4%22%3C' }
  for (const [given, path] of Object.entries(kept)) t.equal(localPath(given), path, given)
})

void t.test('who names HTML, and JSON at most as second to it, gets a page', async (t) => {
  const browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8'
  for (const accept of [browser, 'text/html', 'TEXT/HTML', 'text/html, application/json;q=0.9', 'application/problem+json; q=0.1, text/html; q=0.2']) t.ok(prefersPage({ headers: { accept } }), accept)
  for (const accept of ['', '*/*', 'text/*', 'application/json', 'application/json, text/html;q=0.9', 'text/html;q=0', 'text/html;q=x', 'text/plain']) t.notOk(prefersPage({ headers: { accept } }), accept)
  t.notOk(prefersPage({ headers: {} }))
})

void t.test('an instant is told in words, and exactly', async (t) => {
  const now = Date.parse('2026-11-21T16:51:00Z')
  const at = (seconds: number): string => toMoment(new Date(now + seconds * 1000), now).relative
  const told: [number, string][] = [
    [0, 'just now'], [59, 'just now'], [-59, 'just now'], [-60, '1 minute ago'], [-3_599, '1 hour ago'], [-7_300, '2 hours ago'], [-86_400, '1 day ago'], [86_399, 'in 1 day'],
    [-8 * 86_400, '1 week ago'], [-40 * 86_400, '1 month ago'], [-800 * 86_400, '2 years ago'], [30 * 86_400, 'in 4 weeks']
  ]
  for (const [seconds, words] of told) t.equal(at(seconds), words, String(seconds))
  t.strictSame(toMoment(new Date(now), now), { iso: '2026-11-21T16:51:00.000Z', exact: '21 Nov 2026, 16:51 UTC', relative: 'just now' })
})

void t.test('who waits as long as the words say has waited long enough', async (t) => {
  const told: [number, string][] = [[0.2, '1 second'], [1, '1 second'], [59, '59 seconds'], [60, '1 minute'], [61, '2 minutes'], [3_601, '2 hours'], [86_400, '1 day']]
  for (const [seconds, words] of told) t.equal(inWords(seconds), words)
})
