import type { ChainableCommander, Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** What a ComfyUI says of all its nodes. */
export interface PublishedCatalogue {
  /** The same for the same classes with the same descriptions. */
  readonly digest: string;
  /** Each class with its description as JSON, without the lists of uploaded files. */
  readonly classes: Iterable<readonly [name: string, text: string]>;
  /** The answer of GET /node_replacements. */
  readonly replacements: unknown;
}

/** Fields beside the classes, named as no class of Python can be. */
export const REPLACEMENTS_FIELD = ':replacements';
/** The number of classes; written last: a catalogue without it is not whole. */
export const COUNT_FIELD = ':count';
export const RESERVED_FIELDS: ReadonlySet<string> = new Set([REPLACEMENTS_FIELD, COUNT_FIELD]);

/** Characters per command: small enough that no claim waits for one. */
const MOST_AT_ONCE = 256 * 1024;

/** Instances are alike, so a catalogue is stored once for all that have it. */
export async function publishCatalogue(
  redis: Redis,
  keys: Keys,
  { digest, classes, replacements }: PublishedCatalogue,
  lifeMs: number,
): Promise<void> {
  const key = keys.catalogue(digest);
  if ((await redis.hexists(key, COUNT_FIELD)) === 1) {
    await redis.pexpire(key, lifeMs);
    return;
  }
  let fields: string[] = [];
  let size = 0;
  let count = 0;
  const write = async () => {
    if (fields.length > 0)
      await orThrow(
        redis
          .pipeline()
          .hset(key, ...fields)
          .pexpire(key, lifeMs),
      );
    fields = [];
    size = 0;
  };
  for (const [name, text] of classes) {
    if (RESERVED_FIELDS.has(name)) continue;
    fields.push(name, text);
    size += name.length + text.length;
    count += 1;
    if (size >= MOST_AT_ONCE) await write();
  }
  await write();
  fields.push(REPLACEMENTS_FIELD, JSON.stringify(replacements), COUNT_FIELD, String(count));
  await write();
}

async function orThrow(pipeline: ChainableCommander): Promise<void> {
  for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
}
