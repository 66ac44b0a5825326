import { timingSafeEqual } from 'node:crypto';
import type { ApiKey } from '@comfy-fleet/contracts';
import { hashApiKey } from './hash-api-key.js';

/** The keys as one version of the file has them, found by what callers present and by what records say. */
export interface KeyIndex {
  /** The entry of a key that a caller presents; undefined: there is none, or no longer. */
  find(key: string): ApiKey | undefined;
  byId(id: string): ApiKey | undefined;
  /** In alphabetical order of their ids. */
  all(): readonly ApiKey[];
}

export function createKeyIndex(keys: readonly ApiKey[]): KeyIndex {
  const sorted = keys.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  const ids = new Map(keys.map((key) => [key.id, key]));
  const digests = new Map(keys.map((key) => [key.sha256, { key, digest: Buffer.from(key.sha256, 'hex') }]));
  return {
    find(presented) {
      // The lookup takes longer the more of a stored digest it matches, but that leaks nothing of a key: a caller does not
      // choose the digest, only what is hashed, so learning some of a digest's digits brings no key nearer to matching the
      // rest. What decides is compared in constant time all the same.
      const hex = hashApiKey(presented);
      const found = digests.get(hex);
      return found !== undefined && timingSafeEqual(found.digest, Buffer.from(hex, 'hex')) ? found.key : undefined;
    },
    byId: (id) => ids.get(id),
    all: () => sorted,
  };
}
