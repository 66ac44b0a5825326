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

/** What a ComfyUI says about all its nodes. */
export interface PublishedCatalogue {
  /** Equal if the classes and their descriptions are equal. */
  readonly digest: string;
  /** Each class and its description as JSON, without lists of uploaded files. */
  readonly classes: Iterable<readonly [name: string, text: string]>;
  /** The answer of GET /node_replacements. */
  readonly replacements: unknown;
}

/** Fields beside the classes. No Python class can have such a name. */
const REPLACEMENTS_FIELD = ':replacements';
/** The number of classes. Written last, so a catalogue without it is incomplete. */
const COUNT_FIELD = ':count';
const RESERVED_FIELDS: ReadonlySet<string> = new Set([REPLACEMENTS_FIELD, COUNT_FIELD]);

/** Characters per command, so that no claim waits for a long command. */
const CHARS_AT_ONCE = 256 * 1024;

/** Stores a catalogue. Instances with the same catalogue share it. */
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

/** A node class of an instance, or one that its ComfyUI replaces by another class. */
export interface NodeClass {
  /** The description, as in GET /object_info. */
  readonly description: unknown;
  readonly choices: Abilities[string];
}

/** A cached class, or the fact that the catalogue does not have it. */
interface Kept {
  readonly found: NodeClass | undefined;
  readonly size: number;
}

/** Classes that are read and parsed without a pause; of a large catalogue, a few MB. */
const CLASSES_AT_ONCE = 50;
/** Characters of JSON whose parsed classes are cached. A catalogue with many custom nodes and LoRAs has 20 million. */
const MOST_KEPT = 32 * 1024 * 1024;
/** Least size that is assumed for a class, even for a missing one. */
const LEAST_SIZE = 200;
/** Catalogues whose replacements are cached. */
const MOST_CATALOGUES = 100;

/**
 * The catalogues that workers have published, by digest. Reads single classes and caches them: the content for a digest never changes, and concurrent calls share one read.
 * Catalogues that are missing or incomplete are not cached.
 */
export function createCatalogues(redis: Redis, keys: Keys) {
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
    // So that a caller gets its class even if the class is evicted at once.
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
    /** The named classes, as far as the catalogue has them; undefined if the catalogue is missing or incomplete. */
    classes: async (digest: string, names: Iterable<string>): Promise<ReadonlyMap<string, NodeClass> | undefined> => {
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
    /** The names of all its classes. */
    names: async (digest: string) => {
      const names = await redis.hkeys(keys.catalogue(digest));
      return names.includes(COUNT_FIELD) ? names.filter((name) => !RESERVED_FIELDS.has(name)) : [];
    },
    /** The descriptions of some classes as JSON, uncached; null for classes that it does not have. */
    texts: async (digest: string, names: readonly string[]) => redis.hmget(keys.catalogue(digest), ...names),
  };
}

function nodeClass(name: string, text: string, replacement: Replacement | undefined): NodeClass {
  const own = parse(text);
  const description = replacement === undefined ? own : describeReplaced(replacement, own);
  return { description, choices: choicesOf(name, description) };
}

/** Returns undefined for invalid JSON, which then describes no inputs. */
function parse(text: string | null): unknown {
  try {
    return text === null ? undefined : parseStoredJson(text);
  } catch {
    return undefined;
  }
}
