import t from 'tap'
import { hasChromium } from '../client/tabs.js'
import { ALONE, TabNetwork, TABS, type TabNetworkOptions, WITH_CLIENT } from '../helpers/tab-network.js'

const GENERATIONS = 210
/** Promise A: requests take at most W, and round trips less than R. Some seconds are left to the machine. */
const RULES = { R: 90, W: 30 }
const DELAYS = { way: 26, trip: 82 }

if (hasChromium) {
  for (const { title, pages, seed, wanted } of [
    {
      title: 'tabs that each refresh by themselves',
      pages: ALONE,
      seed: 1,
      wanted: ['rotations', 'replays', 'early', 'stragglers', 'access', 'lostRequests', 'lostAnswers', 'tornAnswers', 'overtaking', 'atOnce']
    },
    {
      title: 'tabs with silverback/client',
      pages: WITH_CLIENT,
      seed: 2,
      wanted: ['rotations', 'replays', 'access', 'lostRequests', 'lostAnswers', 'tornAnswers', 'overtaking']
    }
  ] satisfies (Pick<TabNetworkOptions, 'pages' | 'seed'> & { title: string, wanted: (keyof TabNetwork['tally'])[] })[]) {
    await t.test(`nobody is signed out of six ${title}, though answers are late, lost and out of order`, async (t) => {
      const startedAt = performance.now()
      const network = await TabNetwork.open(t, { rules: RULES, delays: DELAYS, pages, seed })
      await network.run(GENERATIONS)
      t.strictSame(network.refused, [], 'every answer was 200')
      if (network.refused.length > 0) t.comment(network.history.slice(-30).join('\n'))
      const { rows } = await network.pair.pool.query('SELECT blocked_at, revoked_at, generation FROM sessions JOIN refresh_tokens ON session_id = id')
      t.strictSame(rows, [{ blocked_at: null, revoked_at: null, generation: network.generation }])
      t.ok(network.generation >= GENERATIONS, `generation ${network.generation}`)
      t.ok(network.longest.way <= RULES.W && network.longest.trip < RULES.R, 'messages were as slow as promised, and no slower')
      for (const happened of wanted) t.ok(network.tally[happened] > 0, `${happened}: ${network.tally[happened]}`)
      t.strictSame(await Promise.all(network.tabs.map(async (tab) => await tab.signedOut())), Array.from({ length: TABS }, () => 0), 'no tab was told that nobody is signed in')
      t.comment(`${((performance.now() - startedAt) / 1000).toFixed(1)} s; the slowest request ${network.longest.way.toFixed(1)} s, round trip ${network.longest.trip.toFixed(1)} s`)
    })
  }
}
