import type { FastifyInstance } from 'fastify'
import { textOf } from '../form.js'
import { render } from '../render.js'
import type { AdminParts } from './parts.js'
import { toPlot } from './plots/plot.js'
import { RANGES, rangeOf } from './plots/range.js'
import { SUBJECTS } from './plots/subjects.js'
import { toTime } from './plots/words.js'

/** `/admin`: what has happened over time, and the way to sessions. */
export function overviewPage (app: FastifyInstance, { statistics }: AdminParts): void {
  app.get('/admin', async (request, reply) => {
    const range = rangeOf(textOf(request.query, 'range'))
    const to = new Date()
    const series = await statistics.read({ from: new Date(to.getTime() - range.seconds * 1000), to, step: range.step })
    return await render(reply, 'admin/overview', {
      q: '',
      range,
      ranges: RANGES,
      from: toTime(series.at[0] ?? to),
      to: toTime(to),
      plots: SUBJECTS.map((subject) => toPlot(subject, series, range))
    })
  })
}
