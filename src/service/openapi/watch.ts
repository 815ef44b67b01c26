/** How what watches the service, and what verifies its tokens, stands in the document. None of it asks who asks. */
import { answers, refuses } from '../../plugins/operation.js'
import type { Operation } from '../../plugins/operation.js'
import { REFUSALS } from './refusals.js'
import { NOBODY } from './security.js'

const TAGS = ['Operation']
const TEXTS = { type: 'array', items: { type: 'string' } }

export const livez: Operation = {
  operationId: 'livez',
  tags: TAGS,
  summary: 'Whether the process runs',
  security: NOBODY,
  response: { 200: answers('It does.', { type: 'object', required: ['status'], properties: { status: { const: 'ok' } } }, { examples: { ok: { status: 'ok' } } }) }
}

export const readyz: Operation = {
  operationId: 'readyz',
  tags: TAGS,
  summary: 'Whether the database answers and its tables fit',
  description: 'Ready with `warnings`, too, which say what is amiss and does no harm yet: a node that does not hear of revocations looks each access token up in the database.',
  security: NOBODY,
  response: {
    200: answers('They do.', {
      type: 'object',
      required: ['status', 'warnings'],
      properties: { status: { enum: ['ok', 'degraded'] }, warnings: TEXTS }
    }, { examples: { ok: { status: 'ok', warnings: [] } } }),
    ...refuses([REFUSALS.notReady], { reasons: TEXTS, warnings: TEXTS })
  }
}

export const metrics: Operation = {
  operationId: 'metrics',
  tags: TAGS,
  summary: 'Figures for Prometheus',
  security: NOBODY,
  response: {
    200: { description: 'In the text format of Prometheus.', content: { 'text/plain': { schema: { type: 'string' }, examples: { one: { value: '# TYPE silverback_sessions_live gauge\nsilverback_sessions_live 3\n' } } } } }
  }
}

export const keySet: Operation = {
  operationId: 'keySet',
  tags: ['Tokens'],
  summary: 'The public keys of access tokens (RFC 7517)',
  description: 'May be kept for five minutes: a new key is published so long before it signs. Empty where tokens are signed by a symmetric key.',
  security: NOBODY,
  response: {
    200: answers('The keys, newest first.', {
      title: 'KeySet',
      type: 'object',
      required: ['keys'],
      properties: {
        keys: {
          type: 'array',
          items: {
            type: 'object',
            required: ['kty', 'kid', 'alg', 'use'],
            properties: { kty: { enum: ['OKP', 'EC'] }, crv: { enum: ['Ed25519', 'P-256'] }, x: { type: 'string' }, y: { type: 'string' }, kid: { type: 'string' }, alg: { enum: ['EdDSA', 'Ed25519', 'ES256'] }, use: { const: 'sig' } }
          }
        }
      }
    }, {
      headers: { 'cache-control': { type: 'string', examples: ['public, max-age=300'] } },
      examples: { ed25519: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo', kid: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k', alg: 'EdDSA', use: 'sig' }] } }
    })
  }
}
