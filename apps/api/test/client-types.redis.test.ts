import { compile, type JSONSchema } from 'json-schema-to-typescript';
import { expect, inject, it } from 'vitest';
import { startApi } from './api.js';

/** `vitest -u` rewrites this file. */
const TYPES = '../../../packages/client/src/api-types.ts';
const BANNER = '// Written from /openapi.json by apps/api/test/client-types.redis.test.ts: see docs/clients.md.';
/** The name of the compiler's empty root type, which is removed. */
const ROOT = 'Root';

it('matches the types of the client with /openapi.json', async () => {
  const api = await startApi(inject('redisUrl'));
  const text = await (await api.get('/openapi.json')).text();
  await api.close();
  const { components } = JSON.parse(text.replaceAll('#/components/schemas/', '#/definitions/'), adjusted);
  const schema: JSONSchema = { definitions: components.schemas };
  const types = await compile(schema, ROOT, {
    bannerComment: BANNER,
    additionalProperties: false,
    ignoreMinAndMaxItems: true,
    unreachableDefinitions: true,
    style: { singleQuote: true, printWidth: 120 },
  });
  await expect(types.replace(new RegExp(`export interface ${ROOT} \\{[^}]*\\}\n`), '')).toMatchFileSnapshot(TYPES);
});

/** Adjusts schemas that the compiler would misread. */
function adjusted(_key: string, value: unknown): unknown {
  const { $ref, type, properties, additionalProperties, description } = Object(value);
  // The compiler would make a new type of a reference with its own description.
  if (typeof $ref === 'string') return { $ref };
  // A schema with only a description allows any value.
  const isAnything = typeof description === 'string' && Object.keys(Object(value)).length === 1;
  if (isAnything) return { description, tsType: 'unknown' };
  const isAnyObject = type === 'object' && properties === undefined && additionalProperties === undefined;
  return isAnyObject ? { ...Object(value), additionalProperties: true } : value;
}
