import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ModelFaultCode } from '@comfy-fleet/contracts';
import { type SourceFile, safetensors, sha256 } from '@comfy-fleet/testing';
import pLimit from 'p-limit';
import { expect, it } from 'vitest';
import { CELL_BYTES, lora, startFetching } from './fetching.js';

const COUNT = 1000;
const SIZES = [300, CELL_BYTES - 1, CELL_BYTES, 3 * CELL_BYTES + 17];

/** What a source does, and how the fetch must end: undefined for a model that is there. */
const CASES: readonly (Omit<SourceFile, 'content'> & { code?: ModelFaultCode; isPinned: boolean })[] = [
  { isPinned: false },
  { isPinned: true },
  { isPinned: true, ranges: false },
  { isPinned: false, tags: false },
  { isPinned: true, fault: 'cut-once' },
  { isPinned: true, fault: 'cut', code: 'truncated' },
  { isPinned: true, fault: 'corrupt', code: 'wrong_hash' },
  { isPinned: true, fault: 'changing', code: 'wrong_hash' },
  { isPinned: true, fault: 'login', code: 'not_a_model' },
  { isPinned: false, fault: 'login', code: 'not_a_model' },
  { isPinned: false, fault: 'login-redirect', code: 'not_a_model' },
  { isPinned: true, fault: 'unavailable', code: 'source_failed' },
  { isPinned: true, fault: 'missing', code: 'refused_by_source' },
  { isPinned: true, fault: 'forbidden', code: 'no_credentials' },
  { isPinned: true, fault: 'private-redirect', code: 'address_not_allowed' },
  { isPinned: true, fault: 'overlong', code: 'wrong_size' },
  { isPinned: true, fault: 'short', code: 'wrong_size' },
  { isPinned: false, fault: 'overlong', code: 'not_a_model' },
  { isPinned: false, fault: 'short', code: 'truncated' },
  { isPinned: false, fault: 'claims-more', code: 'truncated' },
];

it('never shows a wrong byte during 1,000 fetches from sources that misbehave, and says why each of them failed', async () => {
  const { source, folder, fetch } = await startFetching();
  const hashes = new Map<string, string>();
  const watch = watchFolder(join(folder.dir, 'loras'), hashes);
  const limit = pLimit(8);
  const outcomes = await Promise.all(
    Array.from({ length: COUNT }, (_, index) =>
      limit(async () => {
        const { code, isPinned, ...how } = CASES[index % CASES.length] as (typeof CASES)[number];
        const content = safetensors(SIZES[Math.floor(index / CASES.length) % SIZES.length] as number);
        const name = `${index}.safetensors`;
        hashes.set(name, sha256(content));
        source.files.set(name, { content, ...how });
        const known = isPinned ? { sha256: sha256(content), bytes: content.length } : {};
        const fault = await fetch(lora(name, { sources: [`${source.url}/${name}`], ...known }));
        return { index, fault: how.fault, isPinned, code, found: fault?.code, detail: fault?.detail };
      }),
    ),
  );
  const { seen, wrong } = await watch.stop();
  expect(wrong).toEqual([]);
  expect(outcomes.filter(({ code, found }) => code !== found).slice(0, 5)).toEqual([]);
  expect(outcomes.filter(({ found, detail = '' }) => found !== undefined && detail.length < 20)).toEqual([]);
  expect(seen).toBe(outcomes.filter(({ code }) => code === undefined).length);
  expect(new Set(outcomes.map(({ fault }) => fault)).size).toBe(new Set(CASES.map((each) => each.fault)).size);
});

/** Reads every file as soon as it is visible, and again whenever it has changed. */
function watchFolder(dir: string, hashes: ReadonlyMap<string, string>) {
  const known = new Map<string, string>();
  const wrong: string[] = [];
  let isOver = false;
  const look = async () => {
    for (const name of await readdir(dir).catch(() => [])) {
      if (name.startsWith('.')) continue;
      const { mtimeMs, size, ino } = await stat(join(dir, name));
      const state = `${mtimeMs} ${size} ${ino}`;
      if (known.get(name) === state) continue;
      if (sha256(await readFile(join(dir, name))) !== hashes.get(name)) wrong.push(name);
      known.set(name, state);
    }
  };
  const watching = (async () => {
    while (!isOver) {
      await look();
      await delay(2);
    }
  })();
  return {
    stop: async () => {
      isOver = true;
      await watching;
      await look();
      return { seen: known.size, wrong };
    },
  };
}
