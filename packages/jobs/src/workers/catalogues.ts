import type { Abilities } from '@comfy-fleet/contracts';
import {
  choicesOf,
  describeReplaced,
  parseStoredJson,
  type Replacement,
  readReplacements,
} from '@comfy-fleet/workflows';
import type { ChainableCommander, Redis } from 'ioredis';
import { LRUCache } from 'lru-cache';
import type { Keys } from '../keys.js';
import { inPages } from '../record/indexes.js';

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
const REPLACEMENTS_FIELD = ':replacements';
/** The number of classes; written last: a catalogue without it is not whole. */
const COUNT_FIELD = ':count';
const RESERVED_FIELDS: ReadonlySet<string> = new Set([REPLACEMENTS_FIELD, COUNT_FIELD]);

/** Characters per command: small enough that no claim waits for one. */
const CHARS_AT_ONCE = 256 * 1024;

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
    if (size >= CHARS_AT_ONCE) await write();
  }
  await write();
  fields.push(REPLACEMENTS_FIELD, JSON.stringify(replacements), COUNT_FIELD, String(count));
  await write();
}

async function orThrow(pipeline: ChainableCommander): Promise<void> {
  for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
}

/** A node class of an instance, or one that its ComfyUI replaces by another. */
export interface NodeClass {
  /** As GET /object_info says it. */
  readonly description: unknown;
  readonly choices: Abilities[string];
}

/** The catalogues that workers have published, by digest. */
export interface Catalogues {
  /** Those of the classes that the catalogue has; undefined when it is not there, or not whole. */
  classes(digest: string, names: Iterable<string>): Promise<ReadonlyMap<string, NodeClass> | undefined>;
  /** The names of all its classes. */
  names(digest: string): Promise<string[]>;
  /** The descriptions of some as JSON, which are not kept; null for what it has not. */
  texts(digest: string, names: readonly string[]): Promise<(string | null)[]>;
}

/** A class that was looked for. */
interface Kept {
  readonly found: NodeClass | undefined;
  readonly size: number;
}

/** Classes read and parsed without a pause: of a large catalogue a few MB. */
const CLASSES_AT_ONCE = 50;
/** Characters of JSON whose classes are kept; a catalogue full of custom nodes and LoRAs has 20 million. */
const MOST_KEPT = 32 * 1024 * 1024;
/** For a class that is small, or not there at all. */
const LEAST_SIZE = 200;
/** Catalogues whose replacements are kept. */
const MOST_CATALOGUES = 100;

/**
 * Reads single classes, each once, whoever asks at the same time: what a digest stands for never changes. Nothing is
 * kept of a catalogue that is not there, or not whole.
 */
export function createCatalogues(redis: Redis, keys: Keys): Catalogues {
  const replacements = new LRUCache<string, ReturnType<typeof readReplacements>>({
    max: MOST_CATALOGUES,
    fetchMethod: async (digest) => {
      const [count, text = null] = await redis.hmget(keys.catalogue(digest), COUNT_FIELD, REPLACEMENTS_FIELD);
      return count === null ? undefined : readReplacements(parse(text));
    },
  });
  const kept = new LRUCache<string, Kept, { readonly digest: string; readonly name: string }>({
    maxSize: MOST_KEPT,
    sizeCalculation: ({ size }) => size,
    // Also for who waits for a class that is pushed out at once.
    ignoreFetchAbort: true,
    fetchMethod: async (_id, _before, { context: { digest, name } }) => {
      const [table, [count, own = null]] = await Promise.all([
        replacements.fetch(digest),
        redis.hmget(keys.catalogue(digest), COUNT_FIELD, name),
      ]);
      if (table === undefined || count === null) return undefined;
      const isClass = own !== null && !RESERVED_FIELDS.has(name);
      const replacement = isClass ? undefined : table.get(name);
      const text = replacement ? await redis.hget(keys.catalogue(digest), replacement.className) : isClass ? own : null;
      const found = text === null ? undefined : nodeClass(name, text, replacement);
      return { found, size: name.length + Math.max(LEAST_SIZE, 2 * (text?.length ?? 0)) };
    },
  });

  return {
    classes: async (digest, names) => {
      const found = new Map<string, NodeClass>();
      for (const some of inPages([...new Set(names)], CLASSES_AT_ONCE)) {
        const entries = await Promise.all(
          some.map((name) => kept.fetch(`${digest} ${name}`, { context: { digest, name } })),
        );
        for (const [index, entry] of entries.entries()) {
          if (entry === undefined) return undefined;
          if (entry.found !== undefined) found.set(some[index] as string, entry.found);
        }
      }
      return found;
    },
    names: async (digest) => {
      const names = await redis.hkeys(keys.catalogue(digest));
      return names.includes(COUNT_FIELD) ? names.filter((name) => !RESERVED_FIELDS.has(name)) : [];
    },
    texts: async (digest, names) => redis.hmget(keys.catalogue(digest), ...names),
  };
}

function nodeClass(name: string, text: string, replacement: Replacement | undefined): NodeClass {
  const own = parse(text);
  const description = replacement === undefined ? own : describeReplaced(replacement, own);
  return { description, choices: choicesOf(name, description) };
}

/** What is no JSON describes nothing, and asks for nothing. */
function parse(text: string | null): unknown {
  try {
    return text === null ? undefined : parseStoredJson(text);
  } catch {
    return undefined;
  }
}
