import type { Redis } from 'ioredis';
import { type NamedArguments, orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';

/** What an API key has of the store. */
export interface StorageUse {
  readonly bytes: number;
  /** Null until the housekeeping has looked. */
  readonly shareBytes: number | null;
  /** The store is full, and what cannot be deleted of the key's fills its share: it may store no more now. */
  readonly isOver: boolean;
}

/** What keys have stored. Every method fails with `queue_unavailable` while Redis is away. */
export interface Storage {
  use(key: string): Promise<StorageUse>;
  /** The key sent the file, which is stored: it counts as the key's, besides others that have it, until it is deleted. */
  add(key: string, file: { readonly digest: string; readonly bytes: number }): Promise<void>;
}

const DAY_MS = 86_400_000;

export function createStorage(
  redis: Redis,
  keys: Keys,
  { assetTtlSeconds }: { readonly assetTtlSeconds: number },
): Storage {
  const run = (key: string, verb: 'use' | 'add', args: NamedArguments = {}) =>
    orUnavailable(() => runScript(redis, 'storage', keys.storage, keys.prefix, { key, verb, ...args }));
  return {
    use: async (key) => {
      const [bytes, share, isOver] = (await run(key, 'use')) as [number, number, number];
      return { bytes, shareBytes: share < 0 ? null : share, isOver: isOver === 1 };
    },
    add: async (key, { digest, bytes }) => {
      await run(key, 'add', { digest, bytes, life: assetTtlSeconds * 1000 + DAY_MS });
    },
  };
}
