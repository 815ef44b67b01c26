import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import t from 'tap'
import type { Test } from 'tap'
import { hasChromium, Person } from './person.js'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
const LEAST_TARGET = 44

/** What a page shows, by a name, and how to come to it. */
type Views = readonly (readonly [name: string, come: (person: Person) => Promise<unknown>])[]

const FOR_STRANGERS: Views = [
  ['the first page', async (person) => { await person.open('/') }],
  ['the sign-in', async (person) => { await person.open('/login?next=/account/sessions&notice=signed-out') }],
  ['the sign-in, refused', async (person) => { await person.open('/login'); await person.fillIn({}, 'Sign in') }],
  ['the registration', async (person) => { await person.open('/register') }],
  ['the registration, refused', async (person) => { await person.open('/register'); await person.fillIn({ 'E-mail address': 'x', Password: 'y' }, 'Register') }],
  ['nothing', async (person) => { await person.open('/nothing') }]
]

const FOR_USERS: Views = [
  ['the first page of a user', async (person) => { await person.open('/') }],
  ['the devices', async (person) => { await person.open('/account/sessions') }],
  ['the devices, one about to be ended', async (person) => { await person.open('/account/sessions'); await person.page.locator('summary').first().click() }],
  ['the password', async (person) => { await person.open('/account/password') }],
  ['the password, refused', async (person) => { await person.open('/account/password'); await person.fillIn({}, 'Change the password') }]
]

async function look (t: Test, person: Person, views: Views): Promise<void> {
  const { page } = person
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    for (const [name, come] of views) {
      await page.setViewportSize({ width: 1280, height: 800 })
      await come(person)
      t.strictSame(await violations(person), [], `${name}, ${colorScheme}`)
      if (colorScheme === 'dark') continue
      await page.setViewportSize({ width: 320, height: 640 })
      const { scrollWidth, clientWidth } = await page.evaluate<{ scrollWidth: number, clientWidth: number }>('({ scrollWidth: document.documentElement.scrollWidth, clientWidth: document.documentElement.clientWidth })')
      t.equal(scrollWidth, clientWidth, `${name} does not scroll sideways at 320 pixels`)
      t.strictSame(await smallTargets(person), [], `${name} has no target that is too small for a thumb`)
    }
  }
}

async function violations ({ page }: Person): Promise<string[]> {
  await page.evaluate(AXE)
  return await page.evaluate<string[]>(`axe.run(document, { runOnly: ${JSON.stringify(TAGS)} }).then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => id + ' at ' + target + ': ' + failureSummary)))`)
}

/** Links within a text are as high as the text (WCAG 2.2, 2.5.8). */
async function smallTargets ({ page }: Person): Promise<string[]> {
  return await page.evaluate<string[]>(`[...document.querySelectorAll('a, button, summary, input:not([type=hidden], [type=checkbox], [hidden]), label:has(input)')]
    .filter((element) => element.checkVisibility() && !element.closest('p:not(.actions), .summary, .skip') && getComputedStyle(element).display !== 'inline')
    .filter((element) => !element.matches('.skip') && (element.getBoundingClientRect().height < ${LEAST_TARGET} || element.getBoundingClientRect().width < ${LEAST_TARGET}))
    .map((element) => element.outerHTML.slice(0, 80))`)
}

if (hasChromium) {
  t.test('the pages of strangers are for everybody: axe finds nothing, light or dark', async (t) => {
    await look(t, await Person.arrive(t), FOR_STRANGERS)
  })

  t.test('the pages of users are for everybody: axe finds nothing, light or dark', async (t) => {
    const ada = await Person.arrive(t)
    await ada.register('a-rather-long-name-that-nobody-can-pronounce@some-department.example.com')
    await (await Person.arrive(t)).signIn('a-rather-long-name-that-nobody-can-pronounce@some-department.example.com')
    await look(t, ada, FOR_USERS)
  })

  t.test('by keyboard alone: the skip link comes first, a refusal takes the focus, its links lead to the fields', async (t) => {
    const { page, ...person } = await Person.arrive(t)
    const focused = async (): Promise<string> => await page.evaluate('document.activeElement.id || document.activeElement.className')
    await page.goto(`${person.url}/login`)
    await page.keyboard.press('Tab')
    t.equal(await focused(), 'skip')
    await page.keyboard.press('Enter')
    t.equal(await focused(), 'content')
    await page.keyboard.press('Tab')
    t.equal(await focused(), 'email')
    await page.keyboard.press('Enter')
    await page.locator('.summary').waitFor()
    t.equal(await focused(), 'summary')
    t.match(await page.title(), /^Error: Sign in/)
    await page.getByRole('link', { name: 'Enter your password.' }).press('Enter')
    t.equal(await focused(), 'password')
    t.match(await page.getByLabel('Password').getAttribute('aria-describedby'), 'password-error')
  })
}
