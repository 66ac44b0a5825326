import { type Abilities, type Fresh, fresh, type InstanceAbilities } from '@comfy-fleet/contracts';
import { type Catalogue, parseStoredJson, unionOf } from '@comfy-fleet/workflows';
import type { Redis } from 'ioredis';
import { LRUCache } from 'lru-cache';
import type { Keys } from '../keys.js';
import { createCatalogues, type PublishedCatalogue, publishCatalogue } from './catalogues.js';

/** What an instance could do counts for this long after it was seen: a pool scaled to zero still takes its jobs. */
const LIFE_MS = 86_400_000;
/** A catalogue that no instance has any more; each new model makes another one. */
const UNUSED_LIFE_MS = 3_600_000;
/** How old what was read may be; jobs are checked against it one by one. */
const FRESH_MS = 2000;
/** Sets of classes, one for each workflow and catalogue, of which what is known is put together once. */
const MOST_SETS = 500;
/** Characters of the names in these: graphs of strangers name classes as they like. */
const MOST_NAME_CHARS = 4 * 1024 * 1024;
/** Classes that are on their way at a time when all are read. */
const MOST_STREAMED = 50;

/** What one instance, by name, has, as it was seen at that time (ms since 1970). */
interface InstanceCatalogue extends PublishedCatalogue {
  readonly instance: string;
  readonly seenAt: number;
}

/**
 * What instances that were seen within a day have; may be 2 s old. Nothing is known of one whose catalogue is not
 * there.
 */
export interface AbilityReader {
  /** What each instance of a pool has of these node classes. Those that are alike share one object. */
  of(pool: string, classes: readonly string[]): Promise<readonly InstanceAbilities[]>;
  /**
   * How the instances of a pool together describe these node classes, one object while that is the same; undefined
   * while nothing is known of any.
   */
  catalogue(pool: string, classes: readonly string[]): Promise<Catalogue | undefined>;
  /** Digests of what the instances of a pool have; while they are the same, so is all that is said here. */
  digests(pool: string): Promise<readonly string[]>;
  /** The same of all classes, one after the other: 20 MB are never in memory at once. */
  everything(pool: string): AsyncIterable<readonly [name: string, description: unknown]>;
}

/** What the instances of the fleet can do, by the pools that they serve. */
export interface AbilityRegistry extends AbilityReader {
  /** Says what an instance has, to be said again within a day. */
  publish(pools: readonly string[], catalogue: InstanceCatalogue): Promise<void>;
}

export function createAbilityRegistry(redis: Redis, keys: Keys): AbilityRegistry {
  return {
    publish: (pools, catalogue) => publish(redis, keys, pools, catalogue),
    ...createAbilityReader(redis, keys),
  };
}

/** The catalogue first: what an instance is said to have is there. */
async function publish(
  redis: Redis,
  keys: Keys,
  pools: readonly string[],
  { instance, seenAt, ...catalogue }: InstanceCatalogue,
): Promise<void> {
  await publishCatalogue(redis, keys, catalogue, LIFE_MS);
  const before = await Promise.all(pools.map((pool) => redis.hget(keys.catalogueDigests(pool), instance)));
  const pipeline = redis.pipeline();
  for (const pool of pools) {
    pipeline
      .hset(keys.catalogueDigests(pool), instance, `${seenAt} ${catalogue.digest}`)
      .pexpire(keys.catalogueDigests(pool), LIFE_MS);
  }
  await pipeline.exec();
  const used = new Set<string>();
  for (const pool of pools) {
    for (const digest of await forgetOld(redis, keys.catalogueDigests(pool), seenAt - LIFE_MS)) used.add(digest);
  }
  const unused = new Set(before.map(digestIn).filter((digest) => digest !== '' && !used.has(digest)));
  for (const digest of unused) await redis.pexpire(keys.catalogue(digest), UNUSED_LIFE_MS);
}

/** Instances come and go under random names. Answers the digests of those that stay. */
async function forgetOld(redis: Redis, able: string, before: number): Promise<string[]> {
  const entries = Object.entries(await redis.hgetall(able));
  const isOld = (text: string) => Number.parseInt(text, 10) < before;
  const old = entries.filter(([, text]) => isOld(text)).map(([instance]) => instance);
  if (old.length > 0) await redis.hdel(able, ...old);
  return entries.filter(([, text]) => !isOld(text)).map(([, text]) => digestIn(text));
}

/** Of an entry that says when an instance was seen, and then its digest. */
function digestIn(entry: string | null): string {
  return entry?.split(' ')[1] ?? '';
}

/** Of some classes of one catalogue. */
interface Known {
  readonly abilities: Abilities;
  readonly catalogue: Catalogue;
}

interface Seen {
  readonly instance: string;
  readonly seenAt: number;
  readonly digest: string;
}

/** Something for sets of classes, by a text that names them. */
function createSets<T extends object>(): LRUCache<string, T> {
  return new LRUCache({ max: MOST_SETS, maxSize: MOST_NAME_CHARS, sizeCalculation: (_of, id) => id.length });
}

export function createAbilityReader(redis: Redis, keys: Keys): AbilityReader {
  const catalogues = createCatalogues(redis, keys);
  const pools = new Map<string, Fresh<readonly Seen[]>>();
  const made = createSets<Known>();
  const unions = createSets<Catalogue>();

  const seenIn = (pool: string): Promise<readonly Seen[]> => {
    const seen = pools.get(pool) ?? fresh(FRESH_MS, () => readSeen(redis, keys.catalogueDigests(pool)));
    pools.set(pool, seen);
    return seen.now();
  };
  const digestsOf = async (pool: string) => [...new Set((await seenIn(pool)).map(({ digest }) => digest))];

  const knownOf = async (digest: string, classes: readonly string[]): Promise<Known | undefined> => {
    const id = `${digest} ${JSON.stringify(classes)}`;
    const before = made.get(id);
    if (before !== undefined) return before;
    const found = await catalogues.classes(digest, classes);
    if (found === undefined) return undefined;
    // Another who asked for it may have been faster.
    const known = made.get(id) ?? {
      abilities: Object.fromEntries([...found].map(([name, { choices }]) => [name, choices])),
      catalogue: Object.fromEntries([...found].map(([name, { description }]) => [name, description])),
    };
    made.set(id, known);
    return known;
  };

  const unionFor = (known: ReadonlyMap<string, Catalogue>, classes: readonly string[]): Catalogue => {
    const id = JSON.stringify([[...known.keys()], classes]);
    const union = unions.get(id) ?? unionOf([...known.values()]);
    unions.set(id, union);
    return union;
  };

  return {
    of: async (pool, classes) => {
      const known = new Map<string, Abilities>();
      for (const digest of await digestsOf(pool)) {
        const abilities = (await knownOf(digest, classes))?.abilities;
        if (abilities !== undefined) known.set(digest, abilities);
      }
      return (await seenIn(pool)).flatMap(({ instance, seenAt, digest }) => {
        const abilities = known.get(digest);
        return abilities === undefined ? [] : [{ instance, seenAt, abilities }];
      });
    },
    catalogue: async (pool, classes) => {
      const known = new Map<string, Catalogue>();
      for (const digest of await digestsOf(pool)) {
        const catalogue = (await knownOf(digest, classes))?.catalogue;
        if (catalogue !== undefined) known.set(digest, catalogue);
      }
      const [first] = known.values();
      return known.size > 1 ? unionFor(known, classes) : first;
    },
    digests: async (pool) => (await digestsOf(pool)).sort(),
    everything: async function* (pool) {
      const digests = await digestsOf(pool);
      const names = new Set((await Promise.all(digests.map((digest) => catalogues.names(digest)))).flat());
      const left = [...names].sort();
      while (left.length > 0) {
        const some = left.splice(0, MOST_STREAMED);
        const texts = await Promise.all(digests.map((digest) => catalogues.texts(digest, some)));
        for (const [index, name] of some.entries()) {
          const described = texts.flatMap((ofOne) => ofOne[index] ?? []);
          const union = unionOf(described.map((text) => ({ [name]: parseStoredJson(text) })));
          if (described.length > 0) yield [name, union[name]] as const;
        }
      }
    },
  };
}

async function readSeen(redis: Redis, able: string): Promise<readonly Seen[]> {
  const entries = Object.entries(await redis.hgetall(able)).map(([instance, text]) => {
    return { instance, seenAt: Number.parseInt(text, 10), digest: digestIn(text) };
  });
  return entries.filter(({ seenAt }) => seenAt > Date.now() - LIFE_MS);
}
