import { expect, it } from 'vitest';
import { secretsBy } from '../src/webhooks.js';

const KEYS = new Map([
  ['anna', { id: 'anna', sha256: 'ab'.repeat(32), scopes: ['jobs' as const], webhook: { secrets: ['whsec_anna'] } }],
  ['ben', { id: 'ben', sha256: 'cd'.repeat(32), scopes: ['jobs' as const] }],
]);

it('signs with WEBHOOK_SECRETS if there are no API keys', () => {
  expect(secretsBy(undefined, ['whsec_ours'])('anonymous')).toEqual(['whsec_ours']);
});

it.each([
  ['a key with its own secrets', 'anna', ['whsec_anna']],
  ['a key without secrets with none', 'ben', []],
  ['a revoked key with none', 'carl', []],
])('with API keys, signs the webhooks of %s', (_whose, key, secrets) => {
  expect(secretsBy({ byId: (id) => KEYS.get(id) }, ['whsec_ours'])(key)).toEqual(secrets);
});
