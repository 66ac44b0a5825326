import type { InputValue, ResolvedRequest } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import { affinityKeyOf, signatureOf } from '../src/record/request-keys.js';
import { expectedMs } from '../src/scheduling/durations.js';

const VERSION = 'a'.repeat(64);
const request = (inputs: Readonly<Record<string, number>>, version = VERSION) =>
  signatureOf({ workflow: 'wan', version, lod: 'mid', inputs, priority: 0, metadata: {} });

it('expects of a job what jobs like it took, else what its workflow took in other sizes, else what its lod took', () => {
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

it('is the same for graphs of one shape, whatever their version is', () => {
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
const need = (...args: Parameters<typeof aRequest>) => affinityKeyOf(aRequest(...args));

it('tells models and options apart, in whatever order they stand, and asks nothing of other texts', () => {
  const choices = ['style', 'base'];
  const one = need({ style: 'ink', base: 'a.safetensors', subject: 'fox' }, { choices });
  expect(need({ subject: 'owl', base: 'a.safetensors', style: 'ink', seed: '9' }, { choices })).toBe(one);
  expect(need({ style: 'oil', base: 'a.safetensors', subject: 'fox' }, { choices })).not.toBe(one);
  expect(need({ style: 'ink', base: 'b.safetensors', subject: 'fox' }, { choices })).not.toBe(one);
  expect(need({ style: ['ink', 'oil'], base: 'a.safetensors' }, { choices })).not.toBe(
    need({ style: ['ink'], base: 'a.safetensors' }, { choices }),
  );
});

it('takes what looks like an option for one where nobody said which inputs are', () => {
  const one = need({ style: 'ink', prompt: 'a fox', seed: '7', story: 'Once upon a time, a fox met an owl.' });
  expect(need({ style: 'ink', prompt: 'an owl', seed: '8', story: 'Long ago there was a fox.' })).toBe(one);
  expect(need({ style: 'oil', prompt: 'a fox' })).not.toBe(one);
});

it('tells versions, outputs and shapes of graphs apart, and of a graph nothing but its shape', () => {
  const all = [
    need({}),
    need({}, { version: 'v2' }),
    need({}, { outputs: ['draft'] }),
    need({}, { shape: 's1' }),
    need({}, { shape: 's2' }),
  ];
  expect(new Set(all).size).toBe(all.length);
  expect(need({ text: 'ink' }, { shape: 's1', version: 'v9' })).toBe(need({}, { shape: 's1' }));
});
