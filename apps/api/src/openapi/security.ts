import type { SecurityRequirementObject, SecuritySchemeObject } from 'openapi3-ts/oas31';
import { type Access, scopeOf } from '../server/gate.js';

export function securitySchemes(): Record<string, SecuritySchemeObject> {
  return {
    bearer: { type: 'http', scheme: 'bearer', description: 'The API key, as `Authorization: Bearer <key>`.' },
    apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'The API key in a header of its own.' },
    signedUrl: {
      type: 'apiKey',
      in: 'query',
      name: 'signature',
      description:
        'The URLs of pictures and events in a job carry `expires`, `day`, `key` and `signature`: whoever has such a URL ' +
        'may open it without a key until it expires or the key of its job is revoked. Use it whole, as it stands in the job.',
    },
  };
}

/** The credentials that a route accepts: a key, or a signed URL. Empty for public routes. */
export function securityOf(
  access: Access,
  { anonymous }: { readonly anonymous: boolean },
): SecurityRequirementObject[] {
  if (access === 'public') return [];
  const keys: SecurityRequirementObject[] = [{ bearer: [] }, { apiKey: [] }];
  const linked: SecurityRequirementObject[] = access === 'linked' ? [{ signedUrl: [] }] : [];
  return [...(anonymous || access === 'optional' ? [{}] : []), ...keys, ...linked];
}

/**
 * The scope that a key needs, as a sentence; undefined where every key that makes jobs will do. Only schemes of OAuth
 * have scopes in OpenAPI.
 */
export function scopeSentence(access: Access): string | undefined {
  const scope = access === 'public' || access === 'known' || access === 'optional' ? undefined : scopeOf(access);
  return scope === undefined || scope === 'jobs' ? undefined : `Needs a key with the scope \`${scope}\`.`;
}
