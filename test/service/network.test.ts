import t from 'tap'
import { networkOf } from '../../src/service/throttle/network.js'

void t.test('networks: an IPv4 address, the /64 and the /48 of IPv6, and IPv4 within IPv6 as what it is', async (t) => {
  for (const [ip, narrow, wide, isLoopback] of [
    ['203.0.113.9', '203.0.113.9', null, false],
    ['::ffff:203.0.113.9', '203.0.113.9', null, false],
    ['::ffff:cb00:7109', '203.0.113.9', null, false],
    ['::FFFF:127.0.0.1', '127.0.0.1', null, true],
    ['127.3.2.1', '127.3.2.1', null, true],
    ['::1', '0:0:0:0::/64', '0:0:0::/48', true],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64', '2001:db8:1::/48', false],
    ['2001:DB8:1:2::6', '2001:db8:1:2::/64', '2001:db8:1::/48', false],
    ['2001:db8:1:3::', '2001:db8:1:3::/64', '2001:db8:1::/48', false],
    ['fe80::1%eth0', 'fe80:0:0:0::/64', 'fe80:0:0::/48', false],
    ['::2', '0:0:0:0::/64', '0:0:0::/48', false],
    ['nonsense', 'nonsense', null, false]
  ] as const) t.strictSame(networkOf(ip), { narrow, wide, isLoopback }, ip)
})
