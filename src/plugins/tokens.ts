import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { SessionManager } from '../session/session-manager.js'
import { TokenIssuer } from '../tokens/issuer.js'
import { resolveTokensOptions } from '../tokens/options.js'
import type { TokensOptions } from '../tokens/options.js'
import type { RefreshInfo, Tokens } from '../tokens/tokens.js'
import { ACCESS, AccessReader } from './access.js'
import { createGuards } from './guards.js'
import type { Guards } from './guards.js'
import { dropIdentityHeaders } from './identity.js'
import type { Identity } from './identity.js'
import { TokenCookies } from './token-cookies.js'

declare module 'fastify' {
  interface FastifyInstance extends Guards {
    readonly tokens: Tokens
  }
  interface FastifyRequest {
    /** Who asks, behind a guard; `null` before one. */
    auth: Identity | null
    /** What `verifyRefreshToken` has found; `null` before it. */
    refresh: RefreshInfo | null
  }
}

/** The door for Fastify: Tokens, the guards, and what they find. */
const plugin: FastifyPluginAsync<TokensOptions> = async (fastify, given) => {
  if (fastify.hasDecorator('tokens')) throw new TypeError('tokens: the plugin is registered already; register it once, or in contexts of their own')
  const manager = fastify.hasDecorator('sessions') ? fastify.sessions : null
  if (!(manager instanceof SessionManager)) throw new TypeError('tokens: register the plugin "sessions" first: tokens belong to its sessions')
  const options = resolveTokensOptions(given)
  manager.rejectOwnKeys('refreshKey', options.refreshKeys)
  manager.rejectOwnKeys('signingKeys', options.signingKeys.symmetric)
  const cookies = new TokenCookies(manager.options.cookie.secure)
  const tokens: TokenIssuer = new TokenIssuer({ manager, options, accessUserOf: async (request) => await reader.userOf(request) })
  const reader = new AccessReader(tokens, manager, cookies)
  const { store, identityHeaders } = options
  const guards = createGuards({ tokens, reader, manager, cookies, identityHeaders, now: () => store.now() })

  fastify.decorate('tokens', tokens)
  for (const [name, guard] of Object.entries(guards)) fastify.decorate(name, guard)
  fastify.decorateRequest('auth', null)
  fastify.decorateRequest('refresh', null)
  fastify.decorateRequest(ACCESS, null)
  if (identityHeaders) {
    fastify.addHook('onRequest', (request, _reply, done) => {
      dropIdentityHeaders(request.raw)
      done()
    })
  }
  fastify.addHook('onClose', async () => { await tokens.close() })
}

/**
 * The plugin, after `sessions`. Decorates `fastify.tokens`, Tokens, and the guards; `request.auth` and `request.refresh`
 * hold what guards have found.
 *
 * @throws TypeError at registration, naming the option that is wrong and never a secret
 */
export const tokens = fp(plugin, { name: 'silverback-tokens', fastify: '5.x' })
