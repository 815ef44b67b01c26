import t from 'tap'
import { deviceOf } from '../../src/plugins/device.js'

t.test('a device is called by its browser and system, as far as its user agent tells', async (t) => {
  const table: [string | null, string | null][] = [
    ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36', 'Chrome on macOS'],
    ['Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1', 'Safari on iOS'],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0', 'Firefox on Linux'],
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0', 'Microsoft Edge on Windows'],
    ['AcmeClient/1.0 (Windows NT 10.0)', 'Windows'],
    ['AcmeClient/1.0 (none)', null],
    ['curl/8.14.1', 'curl'],
    ['okhttp/4.12.0', 'okhttp'],
    ['python-requests/2.32.3', 'python-requests'],
    ['curlew/1.0', null],
    ['not curl/8.14.1', null],
    ['<script>alert(1)</script>', null],
    ['', null],
    [null, null]
  ]
  for (const [userAgent, device] of table) t.equal(deviceOf(userAgent), device, userAgent ?? 'null')
})

t.test('attack: whoever signs in as another writes nothing of their own into that user\'s list of devices', async (t) => {
  const words = 'This is your own device. Do not sign it out'
  for (const [userAgent, device] of [
    [`${words}. WWW Mozilla/5.0 (X11; Linux x86_64)`, 'Linux'],
    [`${words}/5.0 (X11; Linux x86_64) Chrome`, 'Chrome on Linux'],
    [`Mozilla/5.0 (${words}) AppleWebKit/537.36 (KHTML, like Gecko) ${words}/1.0 Safari/537.36`, 'Safari'],
    [`${words}/1.0 ${words}`, null],
    [`${words}/1.0 (${words})`, null],
    [`curl/${words}`, 'curl']
  ] as const) t.equal(deviceOf(userAgent), device, userAgent)
})
