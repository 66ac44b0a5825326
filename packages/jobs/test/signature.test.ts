import { expect, it } from 'vitest';
import { signatureOf } from '../src/record/request-keys.js';
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
