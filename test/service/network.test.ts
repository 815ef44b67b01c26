import t from 'tap'
import { networkOf } from '../../src/service/throttle/network.js'

void t.test('networks: an IPv4 address, the /64 and the /48 of IPv6, IPv4 within IPv6 as what it is, without a port, and one for all that is no address', async (t) => {
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
    ['203.0.113.9:1001', '203.0.113.9', null, false],
    ['127.0.0.1:80', '127.0.0.1', null, true],
    ['[2001:db8:1:2::6]:443', '2001:db8:1:2::/64', '2001:db8:1::/48', false],
    ['[2001:db8:1:2::6]', '2001:db8:1:2::/64', '2001:db8:1::/48', false],
    ['[::ffff:203.0.113.9]:443', '203.0.113.9', null, false],
    ['nonsense', 'unknown', null, false],
    ['203.0.113.9:1:2', 'unknown', null, false],
    ['203.0.113.9:', 'unknown', null, false],
    ['[203.0.113.9]:1', '203.0.113.9', null, false],
    ['localhost:80', 'unknown', null, false],
    ['', 'unknown', null, false]
  ] as const) t.strictSame(networkOf(ip), { narrow, wide, isLoopback }, ip)
})
