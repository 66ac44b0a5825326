import type { Abilities } from '@comfy-fleet/contracts';
import {
  choicesOf,
  describeReplaced,
  parseStoredJson,
  type Replacement,
  readReplacements,
} from '@comfy-fleet/workflows';
import type { Redis } from 'ioredis';
import { LRUCache } from 'lru-cache';
import type { Keys } from '../keys.js';
import { inPages } from '../record/id-pages.js';
import { COUNT_FIELD, REPLACEMENTS_FIELD, RESERVED_FIELDS } from './publish-catalogue.js';

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
const MOST_AT_ONCE = 50;
/** Characters of JSON whose classes are kept; a catalogue full of custom nodes and LoRAs has 20 million. */
const MOST_KEPT = 32 * 1024 * 1024;
/** For a class that is small, or not there at all. */
const LEAST_SIZE = 200;
/** Catalogues whose replacements are kept. */
const MOST_CATALOGUES = 100;

/**
 * Reads single classes, each once, whoever asks at the same time: what a digest stands for never changes. Nothing is kept of
 * a catalogue that is not there, or not whole.
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
      for (const some of inPages([...new Set(names)], MOST_AT_ONCE)) {
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
