import type { SecurityRequirementObject, SecuritySchemeObject } from 'openapi3-ts/oas31';
import { type Access, scopeOf } from '../access/gate.js';

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

/** Who may ask, by the access of the route: a key with its scope, any key, or a signed URL. Nothing where nobody is asked. */
export function securityOf(
  access: Access,
  { anonymous }: { readonly anonymous: boolean },
): SecurityRequirementObject[] {
  if (access === 'public') return [];
  const scopes = access === 'known' || access === 'optional' ? [] : [scopeOf(access)];
  const keys: SecurityRequirementObject[] = [{ bearer: scopes }, { apiKey: scopes }];
  const linked: SecurityRequirementObject[] = access === 'linked' ? [{ signedUrl: [] }] : [];
  return [...(anonymous || access === 'optional' ? [{}] : []), ...keys, ...linked];
}
