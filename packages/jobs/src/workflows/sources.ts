import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';
import type { Payloads } from '../record/payloads.js';

/** The source of a workflow, by the SHA-256 of its text in hex. */
export interface StoredSource {
  readonly version: string;
  readonly text: string;
}

/** Keeps a source for an hour from now on, or longer if it is kept for longer; an order that names it prolongs that. */
export async function keepSource(redis: Redis, keys: Keys, { version, text }: StoredSource): Promise<void> {
  const life = LUA_CONSTANTS.UNUSED_SOURCE_LIFE_MS;
  await redis.set(keys.version(version), text, 'PX', life, 'NX');
  await redis.pexpire(keys.version(version), life, 'GT'); // never of one that is kept for good
}

/** The text of a version; undefined when no record and no registry has named it for long. */
export async function readSource(
  redis: Redis,
  keys: Keys,
  payloads: Pick<Payloads, 'read'>,
  version: string,
): Promise<string | undefined> {
  return payloads.read(await redis.get(keys.version(version)));
}
