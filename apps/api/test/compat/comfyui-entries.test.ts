import type { JobRecord } from '@comfy-fleet/jobs';
import { beforeEach, expect, it } from 'vitest';
import type { Deps } from '../../src/deps.js';
import { createPartsOf, historyEntry } from '../../src/facades/comfyui/prompts.js';
import { createAllTurns } from '../../src/server/turns.js';

const record = (id: string) =>
  ({
    id,
    alias: null,
    client: null,
    status: 'succeeded',
    createdAt: 1000,
    startedAt: 2,
    finishedAt: 3,
    request: { version: 'v' },
    outputs: [],
    timings: null,
    listing: {},
  }) as unknown as JobRecord;

let reads: string[];
beforeEach(() => {
  reads = [];
});

/** Makes history entries from a ledger that records its reads. `bytes`: the size of the cache. */
function entryOf(bytes: number, stored: { readonly origin?: string; readonly source?: string } = {}) {
  const ledger = {
    jobs: {
      origin: async (id: string) => {
        reads.push(`origin ${id}`);
        return stored.origin ?? JSON.stringify({ extraData: { note: 'x'.repeat(1000) }, files: {} });
      },
      source: async () => stored.source,
    },
  };
  const config = { compat: { comfyuiCacheBytes: bytes } };
  const partsOf = createPartsOf({ ledger, config, ...createAllTurns() } as unknown as Deps);
  return async (id: string) => historyEntry(record(id), await partsOf(record(id)));
}

it('reads the request of an ended job only once, although the history is read repeatedly', async () => {
  const entry = entryOf(1_000_000);
  const first = await entry('a');
  expect(JSON.parse(first)).toMatchObject({ prompt: [1, 'a', {}, {}, []], status: { completed: true } });
  expect([await entry('a'), await entry('a')]).toEqual([first, first]);
  expect(reads).toEqual(['origin a']);
});

it('drops the oldest entry when the cache is full', async () => {
  const entry = entryOf(5000);
  for (const id of ['a', 'b', 'c', 'a']) await entry(id);
  expect(reads).toEqual(['origin a', 'origin b', 'origin c', 'origin a']);
});
