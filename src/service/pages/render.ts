import type { FastifyReply } from 'fastify'
import type { Identity } from '../../plugins/identity.js'
import type { Form, Refusal } from './form.js'
import { takeNotice } from './notices.js'

/** What every template of a page finds in `it`, besides what it is given. */
export interface Frame {
  /** Who is signed in; `null`: nobody. Absent on a page that is shown without a look at the session. */
  readonly user: Identity | null
  /** The path of the page, for the navigation. */
  readonly path: string
  /** For the hidden field `_csrf` of a form. */
  readonly csrf: () => string
}

interface Typed extends Readonly<Record<string, unknown>> {
  readonly values: Form['values']
}

declare module 'fastify' {
  interface FastifyReply {
    /** What @fastify/view gives to every template. */
    locals: Partial<Frame>
  }
}

/** A page: a template of `views/`, which names its layout. Says what `notify` was told, once. */
export async function render (reply: FastifyReply, view: string, data: object = {}): Promise<string> {
  reply.type('text/html; charset=utf-8')
  return await reply.viewAsync(view, { notice: takeNotice(reply), ...data })
}

/** The page of a form again, with what was typed, but for passwords, and what was wrong with it. */
export async function renderAgain (reply: FastifyReply, view: string, { errors, status, headers }: Refusal, { values, ...data }: Typed): Promise<string> {
  reply.code(status).headers(headers)
  return await render(reply, view, { ...data, form: { values, errors } })
}
