import type { InputValue, ResolvedRequest } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import { affinityKeyOf, signatureOf } from '../src/record/request-keys.js';
import { expectedMs } from '../src/scheduling/durations.js';

const VERSION = 'a'.repeat(64);
const request = (inputs: Readonly<Record<string, number>>, version = VERSION) =>
  signatureOf({ workflow: 'wan', version, lod: 'mid', inputs, priority: 0, metadata: {} });

it('expects the duration learned for the signature, else for the workflow, else for the lod', () => {
  const learned = new Map([
    [request({ length: 81 }), 300_000],
    [`=${VERSION.slice(0, 12)}`, 200_000],
    ['mid', 5000],
  ]);
  expect(expectedMs(request({ length: 81 }), learned)).toBe(300_000);
  expect(expectedMs(request({ length: 41 }), learned)).toBe(200_000);
  expect(expectedMs(request({ length: 41 }, 'b'.repeat(64)), learned)).toBe(5000);
  expect(expectedMs(request({ length: 41 }), new Map())).toBeUndefined();
});

it('a signature is the same for graphs of one shape, whatever their version', () => {
  const graph = (version: string) =>
    signatureOf({ workflow: 'graph', version, shape: 'x1', lod: 'mid', inputs: {}, priority: 0, metadata: {} });
  expect(graph('a')).toBe(graph('b'));
});

const aRequest = (
  inputs: Readonly<Record<string, InputValue>>,
  more: Partial<ResolvedRequest> = {},
): ResolvedRequest => ({
  workflow: 'flow',
  version: 'v1',
  lod: 'mid',
  inputs,
  priority: 0,
  metadata: {},
  ...more,
});
const keyOf = (...args: Parameters<typeof aRequest>) => affinityKeyOf(aRequest(...args));

it('an affinity key differs for a job whose key may not use a model, which no instance runs', () => {
  const own = keyOf({ base: 'a.safetensors' });
  expect(affinityKeyOf({ ...aRequest({ base: 'a.safetensors' }), denied: ['a.safetensors'] })).not.toBe(own);
  expect(keyOf({ base: 'a.safetensors' })).toBe(own);
});

it('an affinity key depends on models and options, in any order, and not on other texts', () => {
  const choices = ['style', 'base'];
  const one = keyOf({ style: 'ink', base: 'a.safetensors', subject: 'fox' }, { choices });
  expect(keyOf({ subject: 'owl', base: 'a.safetensors', style: 'ink', seed: '9' }, { choices })).toBe(one);
  expect(keyOf({ style: 'oil', base: 'a.safetensors', subject: 'fox' }, { choices })).not.toBe(one);
  expect(keyOf({ style: 'ink', base: 'b.safetensors', subject: 'fox' }, { choices })).not.toBe(one);
  expect(keyOf({ style: ['ink', 'oil'], base: 'a.safetensors' }, { choices })).not.toBe(
    keyOf({ style: ['ink'], base: 'a.safetensors' }, { choices }),
  );
});

it('an affinity key treats a text that looks like an option as an option if the request does not name the choices', () => {
  const one = keyOf({ style: 'ink', prompt: 'a fox', seed: '7', story: 'Once upon a time, a fox met an owl.' });
  expect(keyOf({ style: 'ink', prompt: 'an owl', seed: '8', story: 'Long ago there was a fox.' })).toBe(one);
  expect(keyOf({ style: 'oil', prompt: 'a fox' })).not.toBe(one);
});

it('an affinity key depends on version, outputs and shape, but of a graph only on its shape without the amounts', () => {
  const all = [
    keyOf({}),
    keyOf({}, { version: 'v2' }),
    keyOf({}, { outputs: ['draft'] }),
    keyOf({}, { shape: 's1' }),
    keyOf({}, { shape: 's2' }),
  ];
  expect(new Set(all).size).toBe(all.length);
  expect(keyOf({ text: 'ink' }, { shape: 's1', version: 'v9' })).toBe(keyOf({}, { shape: 's1' }));
  expect(keyOf({}, { shape: 's1.small' })).toBe(keyOf({}, { shape: 's1.large' }));
});
