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

interface Kept {
  readonly found: NodeClass | undefined;
}

/** Classes read and parsed without a pause: of a large catalogue a few MB. */
const MOST_AT_ONCE = 50;
/** Characters of JSON whose classes are kept; a catalogue full of custom nodes and LoRAs has 20 million. */
const MOST_KEPT = 32 * 1024 * 1024;
/** For a class that is small, or not there at all. */
const LEAST_SIZE = 200;

/** Reads single classes, each once: what a digest stands for never changes. */
export function createCatalogues(redis: Redis, keys: Keys): Catalogues {
  const kept = new LRUCache<string, Kept>({ maxSize: MOST_KEPT });
  const reading = new Map<string, Promise<Kept | undefined>>();
  const idOf = (digest: string, name: string) => `${digest} ${name}`;

  /** Nothing when the catalogue is not whole. */
  const read = async (digest: string, names: readonly string[]): Promise<ReadonlyMap<string, Kept>> => {
    const [count, replacements, ...texts] = await redis.hmget(
      keys.catalogue(digest),
      COUNT_FIELD,
      REPLACEMENTS_FIELD,
      ...names,
    );
    if (count === null) return new Map();
    const table = readReplacements(parse(replacements ?? null));
    const found = new Map<string, Kept>();
    const keep = (name: string, text: string | null, replacement?: Replacement) => {
      const size = name.length + Math.max(LEAST_SIZE, 2 * (text?.length ?? 0));
      const entry = { found: text === null ? undefined : nodeClass(name, text, replacement) };
      kept.set(idOf(digest, name), entry, { size });
      found.set(name, entry);
    };
    for (const [index, name] of names.entries()) {
      const text = RESERVED_FIELDS.has(name) ? null : (texts[index] ?? null);
      const replacement = text === null ? table.get(name) : undefined;
      if (replacement === undefined) keep(name, text);
      else keep(name, await redis.hget(keys.catalogue(digest), replacement.className), replacement);
    }
    return found;
  };

  /** What several ask for at the same time is read once. */
  const readOnce = (digest: string, names: readonly string[]) => {
    const all = read(digest, names);
    for (const name of names) {
      const id = idOf(digest, name);
      const one = all.then((found) => found.get(name)).finally(() => reading.delete(id));
      // Whoever asked hears of it.
      one.catch(() => undefined);
      reading.set(id, one);
    }
  };

  return {
    classes: async (digest, names) => {
      const wanted = [...new Set(names)];
      const found = new Map<string, NodeClass>();
      for (let at = 0; at < Math.max(1, wanted.length); at += MOST_AT_ONCE) {
        const some = wanted.slice(at, at + MOST_AT_ONCE);
        const now = (name: string) => kept.get(idOf(digest, name)) ?? reading.get(idOf(digest, name));
        const absent = some.filter((name) => now(name) === undefined);
        if (absent.length > 0) readOnce(digest, absent);
        const entries = await Promise.all(some.map(now));
        for (const [index, name] of some.entries()) {
          const entry = entries[index];
          if (entry === undefined) return undefined;
          if (entry.found !== undefined) found.set(name, entry.found);
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
