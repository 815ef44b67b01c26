import type { FastifyHelmetOptions } from '@fastify/helmet'

const YEAR_SECONDS = 365 * 24 * 60 * 60

/**
 * The headers of every answer (ASVS 3.4): pages run no script, load nothing from elsewhere and stand in no frame.
 *
 * @param isSecure whether browsers reach the service by https alone; only then may they be told to keep to it
 */
export function securityHeaders (isSecure: boolean): FastifyHelmetOptions {
  return {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        objectSrc: ["'none'"],
        frameAncestors: ["'none'"]
      }
    },
    strictTransportSecurity: isSecure ? { maxAge: YEAR_SECONDS, includeSubDomains: true } : false,
    referrerPolicy: { policy: 'same-origin' },
    xFrameOptions: { action: 'deny' }
  }
}
