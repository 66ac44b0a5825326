import type { JobRecord } from '@comfy-fleet/jobs';
import { beforeEach, expect, it } from 'vitest';
import type { Deps } from '../../src/deps.js';
import { createEntries } from '../../src/facades/comfyui/entries/entries.js';

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
  }) as unknown as JobRecord;

let reads: string[];
beforeEach(() => {
  reads = [];
});

/** Over a ledger that says what it is asked for. `bytes`: what may be kept. */
function entriesOf(bytes: number, stored: { readonly origin?: string; readonly source?: string } = {}) {
  const ledger = {
    jobs: {
      origin: async (id: string) => {
        reads.push(`origin ${id}`);
        return stored.origin ?? JSON.stringify({ extraData: { note: 'x'.repeat(1000) }, files: {} });
      },
      records: async ([id = '']: readonly string[]) => {
        reads.push(`job ${id}`);
        return id === 'gone' ? [] : [record(id)];
      },
    },
    workflows: { source: async () => stored.source },
  };
  return createEntries({ ledger, config: { compat: { comfyuiCacheBytes: bytes } } } as unknown as Deps);
}

it('reads what an ended job was ordered with once, however often the history is asked', async () => {
  const entries = entriesOf(1_000_000);
  const first = await entries.ended(record('a'));
  expect(JSON.parse(first)).toMatchObject({ prompt: [1, 'a', {}, {}, []], status: { completed: true } });
  expect([await entries.ended(record('a')), (await entries.endedById('a'))?.text]).toEqual([first, first]);
  expect(reads).toEqual(['origin a']);
});

it('reads the record of one that is only known by its id, and keeps it', async () => {
  const entries = entriesOf(1_000_000);
  expect((await entries.endedById('b'))?.promptId).toBe('b');
  expect(await entries.endedById('b')).toBeDefined();
  expect(reads).toEqual(['job b', 'origin b']);
  expect(await entries.endedById('gone')).toBeUndefined();
});

it('keeps no more than it may', async () => {
  const entries = entriesOf(5000);
  for (const id of ['a', 'b', 'c', 'a']) await entries.ended(record(id));
  expect(reads).toEqual(['origin a', 'origin b', 'origin c', 'origin a']);
});
