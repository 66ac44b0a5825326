import type { Redis } from 'ioredis';
import type { StoredSource } from '../callers/new-order.js';
import type { Keys } from '../keys.js';

/** Until an order that names it prolongs that; see lua/create.lua. */
const UNUSED_MS = 3_600_000;

/** Keeps the sources for an hour, or as long as they are kept already. */
export async function storeSources(redis: Redis, keys: Keys, sources: readonly StoredSource[]): Promise<void> {
  await Promise.all(sources.map(({ version, text }) => redis.set(keys.version(version), text, 'PX', UNUSED_MS, 'NX')));
}

/** Keeps a source for an hour from now on, or longer if it is kept for longer. */
export async function keepSource(redis: Redis, keys: Keys, source: StoredSource): Promise<void> {
  await storeSources(redis, keys, [source]);
  await redis.pexpire(keys.version(source.version), UNUSED_MS, 'GT'); // never of one that is kept for good
}

/** The text of a version; undefined when no record and no registry has named it for long. */
export async function readSource(redis: Redis, keys: Keys, version: string): Promise<string | undefined> {
  return (await redis.get(keys.version(version))) ?? undefined;
}
