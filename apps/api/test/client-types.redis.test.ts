import { compile, type JSONSchema } from 'json-schema-to-typescript';
import { expect, inject, it } from 'vitest';
import { startApi } from './api.js';

/** Of which `vitest -u` writes the file anew. */
const TYPES = '../../../packages/client/src/api-types.ts';
const BANNER = '// Written from /openapi.json by apps/api/test/client-types.redis.test.ts: see docs/clients.md.';
/** Of the type of nothing, which is left out. */
const ROOT = 'Root';

it('has types in its client that are those of /openapi.json', async () => {
  const api = await startApi(inject('redisUrl'));
  const text = await (await api.get('/openapi.json')).text();
  await api.close();
  const { components } = JSON.parse(text.replaceAll('#/components/schemas/', '#/definitions/'), meant);
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

/** As its author meant it, where the compiler would understand something else. */
function meant(_key: string, value: unknown): unknown {
  const { $ref, type, properties, additionalProperties, description } = Object(value);
  // A reference with a description of its own would be another type.
  if (typeof $ref === 'string') return { $ref };
  // What is only described may be anything.
  const isAnything = typeof description === 'string' && Object.keys(Object(value)).length === 1;
  if (isAnything) return { description, tsType: 'unknown' };
  const isAnyObject = type === 'object' && properties === undefined && additionalProperties === undefined;
  return isAnyObject ? { ...Object(value), additionalProperties: true } : value;
}
