import { expect, it } from 'vitest';
import { secretsBy } from '../src/webhooks.js';

const KEYS = new Map([
  ['anna', { id: 'anna', sha256: 'ab'.repeat(32), scopes: ['jobs' as const], webhook: { secrets: ['whsec_anna'] } }],
  ['ben', { id: 'ben', sha256: 'cd'.repeat(32), scopes: ['jobs' as const] }],
]);

it('signs with the secrets of the service where nobody is asked for a key', () => {
  expect(secretsBy(undefined, ['whsec_ours'])('anonymous')).toEqual(['whsec_ours']);
});

it.each([
  ['of a key by its own secrets', 'anna', ['whsec_anna']],
  ['of a key without secrets by nothing', 'ben', []],
  ['of a key that was revoked by nothing', 'carl', []],
])('signs, where there are keys, the webhooks %s', (_whose, key, secrets) => {
  expect(secretsBy({ byId: (id) => KEYS.get(id) }, ['whsec_ours'])(key)).toEqual(secrets);
});
