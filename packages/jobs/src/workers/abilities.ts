import { type Abilities, type Fresh, fresh, type InstanceAbilities } from '@comfy-fleet/contracts';
import { type Catalogue, parseStoredJson, unionOf } from '@comfy-fleet/workflows';
import type { Redis } from 'ioredis';
import { LRUCache } from 'lru-cache';
import type { Keys } from '../keys.js';
import { createCatalogues, type PublishedCatalogue, publishCatalogue } from './catalogues.js';

/**
 * How long the abilities of an instance count after it was last seen: a pool that is scaled to zero still accepts its
 * jobs.
 */
const LIFE_MS = 86_400_000;
/** How long a catalogue is kept that no instance has any more. Each new model makes a new catalogue. */
const UNUSED_LIFE_MS = 3_600_000;
/** How old answers may be: every job is checked against them. */
const FRESH_MS = 2000;
/** Maximum number of cached results, one for each set of classes and catalogue. */
const MOST_SETS = 500;
/** Maximum number of characters of class names in the cache, because callers' graphs may have names of any length. */
const MOST_NAME_CHARS = 4 * 1024 * 1024;
/** Classes that are read at a time when all are streamed. */
const MOST_STREAMED = 50;

/** The catalogue of an instance, as it was at `seenAt` (ms since 1970). */
interface InstanceCatalogue extends PublishedCatalogue {
  readonly instance: string;
  readonly seenAt: number;
}

/** The abilities of all instances of the fleet, by pool. */
export type AbilityRegistry = ReturnType<typeof createAbilityRegistry>;

export function createAbilityRegistry(redis: Redis, keys: Keys) {
  return {
    /** Publishes the catalogue of an instance. Must be repeated within a day. */
    publish: (pools: readonly string[], catalogue: InstanceCatalogue) => publish(redis, keys, pools, catalogue),
    ...createAbilityReader(redis, keys),
  };
}

/** Writes the catalogue first, so that the catalogue of every listed instance exists. */
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

/**
 * Removes instances that were not seen for long: they come and go under random names. Returns the digests of the
 * others.
 */
async function forgetOld(redis: Redis, able: string, before: number): Promise<string[]> {
  const entries = Object.entries(await redis.hgetall(able));
  const isOld = (text: string) => Number.parseInt(text, 10) < before;
  const old = entries.filter(([, text]) => isOld(text)).map(([instance]) => instance);
  if (old.length > 0) await redis.hdel(able, ...old);
  return entries.filter(([, text]) => !isOld(text)).map(([, text]) => digestIn(text));
}

/** The digest in an entry `<seen at> <digest>`. */
function digestIn(entry: string | null): string {
  return entry?.split(' ')[1] ?? '';
}

/** What one catalogue says about a set of classes. */
interface Known {
  readonly abilities: Abilities;
  readonly catalogue: Catalogue;
}

interface Seen {
  readonly instance: string;
  readonly seenAt: number;
  readonly digest: string;
}

/** A cache of results for sets of classes, by a text that names the set. */
function createSets<T extends object>(): LRUCache<string, T> {
  return new LRUCache({ max: MOST_SETS, maxSize: MOST_NAME_CHARS, sizeCalculation: (_of, id) => id.length });
}

/**
 * The abilities of instances that were seen within a day; up to 2 s old. Instances whose catalogue is missing are left
 * out.
 */
export type AbilityReader = ReturnType<typeof createAbilityReader>;

export function createAbilityReader(redis: Redis, keys: Keys) {
  const catalogues = createCatalogues(redis, keys);
  const pools = new Map<string, Fresh<readonly Seen[]>>();
  const made = createSets<Known>();
  const unions = createSets<Catalogue>();

  const seenIn = (pool: string): Promise<readonly Seen[]> => {
    const seen = pools.get(pool) ?? fresh(FRESH_MS, () => readSeen(redis, keys, pool));
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
    // A concurrent call may have been faster.
    const known = made.get(id) ?? {
      abilities: Object.fromEntries([...found].map(([name, { choices }]) => [name, choices])),
      catalogue: Object.fromEntries([...found].map(([name, { description }]) => [name, description])),
    };
    made.set(id, known);
    return known;
  };

  /** The instances of a pool, and what their catalogues say, by digest. */
  const knownIn = async (pool: string, classes: readonly string[]) => {
    const seen = await seenIn(pool);
    const known = new Map<string, Known>();
    for (const digest of new Set(seen.map((one) => one.digest))) {
      const found = await knownOf(digest, classes);
      if (found !== undefined) known.set(digest, found);
    }
    return { seen, known };
  };

  const unionFor = (known: ReadonlyMap<string, Known>, classes: readonly string[]): Catalogue => {
    const id = JSON.stringify([[...known.keys()], classes]);
    const union = unions.get(id) ?? unionOf([...known.values()].map(({ catalogue }) => catalogue));
    unions.set(id, union);
    return union;
  };

  return {
    /** What each instance of a pool offers for these node classes. Instances that are alike share one object. */
    of: async (pool: string, classes: readonly string[]): Promise<readonly InstanceAbilities[]> => {
      const { seen, known } = await knownIn(pool, classes);
      return seen.flatMap(({ instance, seenAt, digest }) => {
        const abilities = known.get(digest)?.abilities;
        return abilities === undefined ? [] : [{ instance, seenAt, abilities }];
      });
    },
    /**
     * How all instances of a pool together describe these node classes: the same object as long as that does not
     * change. Undefined if nothing is known about any instance.
     */
    catalogue: async (pool: string, classes: readonly string[]) => {
      const { known } = await knownIn(pool, classes);
      const [first] = known.values();
      return known.size > 1 ? unionFor(known, classes) : first?.catalogue;
    },
    /** Digests of the catalogues in a pool. As long as they do not change, the other answers do not either. */
    digests: async (pool: string) => (await digestsOf(pool)).sort(),
    /** Descriptions of all classes, one after the other, so that 20 MB are never in memory at once. */
    everything: async function* (pool: string) {
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

/** The instances of a pool that published their catalogue within a day. */
export async function readSeen(redis: Redis, keys: Keys, pool: string): Promise<readonly Seen[]> {
  const entries = Object.entries(await redis.hgetall(keys.catalogueDigests(pool))).map(([instance, text]) => {
    return { instance, seenAt: Number.parseInt(text, 10), digest: digestIn(text) };
  });
  return entries.filter(({ seenAt }) => seenAt > Date.now() - LIFE_MS);
}
