import { createHash } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGpus, removeFolder, type Simulator, startStack, type TestStack } from '@comfy-fleet/testing';
import type { Browser } from 'playwright-core';
import { inject } from 'vitest';
import { startBrowser } from './browser.js';

/** A fleet with keys, one worker and a browser. */
export interface KeyedStudio {
  readonly stack: TestStack;
  readonly simulators: readonly Simulator[];
  readonly browser: Browser;
  close(): Promise<void>;
}

interface KeyedStudioOptions {
  /** Scopes by key id; `keyOf` returns the key itself. */
  readonly keys: Readonly<Record<string, readonly string[]>>;
  /** Settings of its worker. */
  readonly instances?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export const keyOf = (id: string): string => `cf_${id}`;

export async function startKeyedStudio({ keys, instances = 1, env }: KeyedStudioOptions): Promise<KeyedStudio> {
  const folder = await mkdtemp(join(tmpdir(), 'comfy-fleet-studio-'));
  const keysFile = join(folder, 'keys.json');
  const hashed = Object.entries(keys).map(([id, scopes]) => ({
    id,
    scopes,
    sha256: createHash('sha256').update(keyOf(id)).digest('hex'),
  }));
  await writeFile(keysFile, JSON.stringify({ keys: hashed }));
  const gpus = await createGpus();
  const simulators = await Promise.all(Array.from({ length: instances }, () => gpus.start(2)));
  const stack = await startStack({ redisUrl: inject('redisUrl'), env: { API_KEYS_FILE: keysFile, ...env } });
  const close = async () => {
    await stack.close();
    await gpus.close();
    await removeFolder(folder);
  };
  try {
    const urls = simulators.map(({ url }) => url);
    await stack.startWorker('gpu', urls);
    const browser = await startBrowser();
    return { stack, simulators, browser, close: () => browser.close().then(close) };
  } catch (error) {
    await close();
    throw error;
  }
}
