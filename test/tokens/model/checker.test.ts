import t from 'tap'
import { explore, replay } from './explore.js'
import { echoingEarly, endlessReplay, endlessStraggler, graceFromRotation, lessThanWindow, mintingReplay, trueMachine } from './machine.js'
import { exploreTheft } from './theft.js'
import type { World } from './world.js'

/** W = 1, R = 3: requests take at most W, round trips at most 2. */
const smallest: World = {
  machine: trueMachine,
  rules: { minGenerationAge: 3, stragglerWindow: 1 },
  requestTicks: 1,
  answerTicks: 1,
  room: 4,
  storesApart: false,
  accessConfirms: true
}
const hybrid = { storesApart: true, accessConfirms: false }

const honest: Record<string, World> = {
  'tokens that are stored together': smallest,
  'an access cookie that is stored apart from the refresh token': { ...smallest, ...hybrid },
  'five messages in flight': { ...smallest, room: 5 },
  'requests that take longer than answers': { ...smallest, requestTicks: 2, rules: { minGenerationAge: 4, stragglerWindow: 2 } },
  'answers that take longer than requests': { ...smallest, answerTicks: 2, rules: { minGenerationAge: 4, stragglerWindow: 1 } }
}

for (const [title, world] of Object.entries(honest)) {
  t.test(`no order of events signs an honest client out: ${title}`, async (t) => {
    const { states, seen, alarm } = explore(world)
    t.comment(`${states} states`)
    t.strictSame(alarm === null ? [] : replay(world, alarm).lines, [], 'nobody is refused')
    t.ok(states > 5_000, `all ${states} states were looked at`)
    const held = [...seen.keys()].filter((what) => what.startsWith('holding ')).sort()
    t.strictSame(held, ['holding EARLY', 'holding REPLAY', 'holding ROTATE'], 'whatever was lost can be asked for again, and what the client holds leads to the next refresh token')
    const expected = [
      'pass', 'send refresh', 'send access', 'lose refresh', 'lose access', 'lose answer', 'serve refresh', 'serve refresh again', 'serve access',
      'receive refresh and access, keep both', 'receive refresh and access, keep refresh', 'receive access, keep both',
      ...(world.storesApart ? ['receive refresh and access, keep access'] : []),
      'ROTATE', 'EARLY', 'REPLAY', 'STRAGGLER'
    ]
    for (const what of expected) t.ok((seen.get(what) ?? 0) > 0, `${what} was met ${seen.get(what)} times`)
  })
}

const weakened: Record<string, World> = {
  'R equal to the round trip': { ...smallest, rules: { minGenerationAge: 2, stragglerWindow: 1 } },
  'no R': { ...smallest, rules: { minGenerationAge: 0, stragglerWindow: 1 } },
  'W shorter than a request': { ...smallest, requestTicks: 2, rules: { minGenerationAge: 4, stragglerWindow: 1 } },
  'less than W, instead of at most W': { ...smallest, machine: lessThanWindow },
  'grace counted from the rotation': { ...smallest, machine: graceFromRotation },
  'an early refresh that is answered with the refresh token': { ...smallest, machine: echoingEarly },
  'access tokens of hybrid that are evidence': { ...smallest, ...hybrid, accessConfirms: true }
}

for (const [title, world] of Object.entries(weakened)) {
  t.test(`a rule is needed: there is a false alarm with ${title}`, async (t) => {
    const { alarm } = explore(world)
    if (alarm === null) {
      t.fail('no order of events signs anybody out')
      return
    }
    const { lines, found } = replay(world, alarm)
    for (const line of lines) t.comment(line)
    t.equal(found, 'REUSE', 'lived through with real generations and instants, it ends in an alarm')
  })
}

t.test('theft: whoever falls behind is noticed, and no generation has two secrets', async (t) => {
  for (const rules of [{ minGenerationAge: 3, stragglerWindow: 1 }, { minGenerationAge: 6, stragglerWindow: 2 }]) {
    const { states, seen, broken } = exploreTheft(trueMachine, rules)
    t.comment(`${states} states`)
    t.strictSame([...broken], [])
    t.ok(states > 100, `all ${states} states were looked at`)
    t.strictSame([...seen].sort(), ['EARLY', 'REPLAY', 'REUSE', 'ROTATE', 'STRAGGLER'])
  }
})

t.test('theft: a machine that lacks a rule is told by what it breaks', async (t) => {
  const rules = { minGenerationAge: 3, stragglerWindow: 1 }
  const broken = (machine: typeof trueMachine): string[] => [...exploreTheft(machine, rules).broken].sort()
  t.ok(broken(endlessReplay).includes('once n is confirmed, n-1 gets no refresh token'))
  t.ok(broken(endlessReplay).includes('who was overtaken later than W ago ends the lineage'))
  t.strictSame(broken(endlessStraggler), ['n-1 later than W after the confirmation of n ends the lineage', 'who was overtaken later than W ago ends the lineage'])
  t.strictSame(broken(mintingReplay), ['no generation has two secrets'])
})
