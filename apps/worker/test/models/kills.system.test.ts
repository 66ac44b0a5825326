import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  overridesEnv,
  safetensors,
  sha256,
  startModelSource,
  startSimulator,
  startStack,
  until,
} from '@comfy-fleet/testing';
import { expect, inject, it, onTestFinished } from 'vitest';
import { temporaryFolder } from './fetching.js';

const KIB = 1024;
const COUNT = 50;
const KILLS = 6;
const FILE_BYTES = 600 * KIB + 7;
const CHUNK_BYTES = 256 * KIB;
/** Enough for ten files; those that are fetched are unregistered to make space for others. */
const MAX_BYTES = 10 * 604 * KIB + 128 * KIB;
const MOST_READY = 6;

it('repeats at most one chunk for each SIGKILL during 50 fetches, leaves no part behind, and never exceeds MODELS_MAX_BYTES', async () => {
  const dir = await temporaryFolder();
  const source = await startModelSource({ bytesPerSecond: 500 * KIB });
  onTestFinished(() => source.close());
  const simulator = await startSimulator();
  onTestFinished(() => simulator.close());
  const env = {
    COMFYUI_MODELS_DIR: dir,
    MODELS_MAX_BYTES: `${MAX_BYTES}`,
    MODEL_SOURCE_ALLOW: new URL(source.url).host,
    ...overridesEnv({
      worker: { announceSeconds: 1 },
      models: { chunkBytes: CHUNK_BYTES, minFreeBytes: 0, evictAfterMs: 1 },
    }),
  };
  const stack = await startStack({ redisUrl: inject('redisUrl'), env });
  onTestFinished(() => stack.close());
  const call = async (method: string, path: string, body?: object) => {
    const options =
      body === undefined ? {} : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
    const answer = await fetch(`${stack.url}/models/loras/${path}`, { method, ...options });
    expect(answer.status).toBeLessThan(300);
  };

  const hashes = new Map<string, string>();
  for (let index = 0; index < COUNT; index += 1) {
    const name = `${index}.safetensors`;
    const content = safetensors(FILE_BYTES);
    hashes.set(name, sha256(content));
    source.files.set(name, { content });
    await call('PUT', name, { sources: [`${source.url}/${name}`] });
    await call('POST', `${name}/fetch`, {});
  }

  const disk = sampleDisk(dir);
  const sent = () => [...source.sent.values()].reduce((sum, bytes) => sum + bytes, 0);
  const seen = new Map<string, string>();
  let kills = 0;
  let worker = await stack.startWorker('w', [simulator.url]);
  while (seen.size < COUNT) {
    const names = await readdir(join(dir, 'loras')).catch(() => []);
    const ready = names.filter((name) => hashes.has(name));
    for (const name of ready.filter((each) => !seen.has(each))) {
      const content = await readFile(join(dir, 'loras', name)).catch(() => undefined);
      if (content !== undefined) seen.set(name, sha256(content));
    }
    // The oldest ones make space for others.
    for (const name of ready.slice(0, -MOST_READY)) await call('DELETE', name).catch(() => undefined);
    if (kills < KILLS && sent() > ((kills + 0.5) / KILLS) * COUNT * FILE_BYTES) {
      await worker.stop('SIGKILL');
      kills += 1;
      worker = await stack.startWorker('w', [simulator.url]);
    }
    await delay(20);
  }

  expect(seen).toEqual(hashes);
  expect(kills).toBe(KILLS);
  expect(sent() - COUNT * FILE_BYTES).toBeLessThanOrEqual(KILLS * CHUNK_BYTES);
  await until('no part is left', async () => (await readdir(join(dir, 'loras', '.comfy-fleet'))).length === 0);
  expect(await disk.most()).toBeLessThanOrEqual(MAX_BYTES);
}, 300_000);

/**
 * Looks every 50 ms how much disk space everything in a folder takes, like du. A look takes a while, and may count a file
 * that is deleted and then one that takes its place; what two looks in a row find was really there.
 */
function sampleDisk(dir: string) {
  const stopping = new AbortController();
  let [most, last] = [0, 0];
  const sampling = (async () => {
    while (!stopping.signal.aborted) {
      const now = await diskSpaceOf(dir);
      most = Math.max(most, Math.min(last, now));
      last = now;
      await delay(50);
    }
  })();
  return {
    most: async () => {
      stopping.abort();
      await sampling;
      return most;
    },
  };
}

async function diskSpaceOf(dir: string): Promise<number> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true }).catch(() => []);
  const sizes = entries.map(async (entry) => {
    const found = await stat(join(entry.parentPath, entry.name)).catch(() => undefined);
    return (found?.blocks ?? 0) * 512;
  });
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
}
