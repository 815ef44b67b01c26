import t from 'tap'
import { FIREFOX, hasChromium, IPHONE, PASSWORD, Person } from './person.js'

const OTHER = 'another horse altogether'

if (hasChromium) {
  for (const javaScriptEnabled of [true, false]) {
    const script = javaScriptEnabled ? 'with JavaScript' : 'without JavaScript'

    t.test(`two devices of one user, ${script}: registered, seen, ended, the password changed, signed out`, async (t) => {
      const email = `ada-${javaScriptEnabled}@example.com`
      const desk = await Person.arrive(t, { userAgent: FIREFOX, javaScriptEnabled })
      const phone = await Person.arrive(t, { userAgent: IPHONE, javaScriptEnabled, viewport: { width: 360, height: 740 } })

      await desk.open('/account/sessions')
      t.equal(desk.path, '/login?next=%2Faccount%2Fsessions', 'a stranger is led to the sign-in')
      await desk.register(email)
      t.equal(desk.path, '/')
      t.equal(await desk.heading(), `You are ${email}`)
      await phone.signIn(email)
      t.equal(await phone.notice(), 'You are signed in.')

      t.strictSame(await desk.devices(), ['Firefox on Linux This device', 'Safari on iOS'])
      t.strictSame(await phone.devices(), ['Safari on iOS This device', 'Firefox on Linux'])

      await desk.page.getByText(/^Sign out Safari on iOS/).click()
      await desk.page.getByRole('button', { name: 'Yes, sign it out' }).click()
      t.equal(await desk.notice(), 'That device is signed out.')
      t.strictSame(await desk.devices(), ['Firefox on Linux This device'])
      await phone.page.reload()
      t.equal(phone.path, '/login?next=%2Faccount%2Fsessions', 'the next page of the other is the sign-in')

      await phone.fillIn({ 'E-mail address': email, Password: PASSWORD }, 'Sign in')
      t.equal(phone.path, '/account/sessions', 'and leads back')
      await phone.page.getByRole('link', { name: 'Password', exact: true }).click()
      await phone.fillIn({ 'Current password': PASSWORD, 'New password': OTHER, 'The new password again': OTHER }, 'Change the password')
      t.equal(await phone.notice(), 'Your password is changed, and all other devices are signed out.')
      await desk.page.reload()
      t.equal(desk.path, '/login?next=%2Faccount%2Fsessions')

      await desk.fillIn({ 'E-mail address': email, Password: PASSWORD }, 'Sign in')
      t.match(await desk.page.getByRole('alert').innerText(), 'The e-mail address or the password is not right.')
      await desk.fillIn({ Password: OTHER }, 'Sign in')
      t.strictSame(await desk.devices(), ['Firefox on Linux This device', 'Safari on iOS'], 'the address that was typed has stayed')
      await desk.page.getByText('Sign out all other devices').click()
      await desk.page.getByRole('button', { name: 'Yes, sign out all others' }).click()
      t.equal(await desk.notice(), 'One other device is signed out.')
      await desk.page.getByRole('button', { name: 'Sign out', exact: true }).click()
      t.equal(await desk.notice(), 'You are signed out.')
      await desk.page.goBack()
      await desk.page.reload()
      t.match(desk.path, /^\/login/, 'and nothing of it comes back')
    })
  }

  t.test('whoever asks to be remembered is, once the browser was closed; who does not is not', async (t) => {
    const email = 'bea@example.com'
    await (await Person.arrive(t)).register(email)
    for (const isRemembered of [true, false]) {
      const bea = await Person.arrive(t)
      await bea.open('/login')
      if (isRemembered) await bea.page.getByLabel(/^Keep me signed in/).check()
      await bea.fillIn({ 'E-mail address': email, Password: PASSWORD }, 'Sign in')
      const cookie = (await bea.context.cookies()).find(({ name }) => name === 'sid')
      t.equal((cookie?.expires ?? 0) > 0, isRemembered)
    }
  })

  t.test('a form that is out of date is shown again, and an address where nothing is is told as a page', async (t) => {
    const cleo = await Person.arrive(t)
    await cleo.open('/login')
    await cleo.context.clearCookies()
    await cleo.fillIn({ 'E-mail address': 'x@example.com', Password: 'x' }, 'Sign in')
    t.equal(await cleo.heading(), 'Sign in', 'the form is shown again')
    t.equal(await cleo.page.getByLabel('E-mail address').inputValue(), 'x@example.com')
    t.match(await cleo.page.getByRole('alert').textContent(), /out of date/)
    await cleo.open('/nothing')
    t.equal(await cleo.heading(), 'There is nothing here')
    await cleo.page.getByRole('link', { name: 'To the first page' }).click()
    t.equal(await cleo.heading(), 'You are a stranger here')
  })
}
