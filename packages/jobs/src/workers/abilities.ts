import { createHash } from 'node:crypto';
import { type Abilities, type Fresh, fresh, type InstanceAbilities } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** What an instance could do counts for this long after it was seen: a pool scaled to zero still takes its jobs. */
const LIFE_MS = 86_400_000;
/** How old what was read may be; jobs are checked against it one by one. */
const FRESH_MS = 2000;

/** What the instances of the fleet can do, by the pools that they serve. */
export interface AbilityRegistry {
  /** Says what an instance can do, to be said again within a day. */
  publish(pools: readonly string[], abilities: InstanceAbilities): Promise<void>;
  /** What the instances of a pool that were seen within a day can do; may be 2 s old. */
  of(pool: string): Promise<readonly InstanceAbilities[]>;
}

export function createAbilityRegistry(redis: Redis, keys: Keys): AbilityRegistry {
  return {
    publish: (pools, abilities) => publish(redis, keys, pools, abilities),
    of: createAbilityReader(redis, keys),
  };
}

/** Instances are alike, so what one can do is stored once for all of them. */
async function publish(
  redis: Redis,
  keys: Keys,
  pools: readonly string[],
  { instance, seenAt, abilities }: InstanceAbilities,
): Promise<void> {
  const text = JSON.stringify(abilities);
  const digest = createHash('sha256').update(text).digest('hex');
  const pipeline = redis.pipeline().set(keys.abilities(digest), text, 'PX', LIFE_MS);
  for (const pool of pools) {
    pipeline.hset(keys.able(pool), instance, `${seenAt} ${digest}`).pexpire(keys.able(pool), LIFE_MS);
  }
  await pipeline.exec();
  for (const pool of pools) await forgetOld(redis, keys.able(pool), seenAt - LIFE_MS);
}

/** Instances come and go under random names. */
async function forgetOld(redis: Redis, able: string, before: number): Promise<void> {
  const entries = Object.entries(await redis.hgetall(able));
  const old = entries.filter(([, text]) => Number.parseInt(text, 10) < before).map(([instance]) => instance);
  if (old.length > 0) await redis.hdel(able, ...old);
}

/** Reads what the instances of a pool that were seen within a day can do; what it read serves for FRESH_MS. */
export function createAbilityReader(redis: Redis, keys: Keys): (pool: string) => Promise<readonly InstanceAbilities[]> {
  const known = new Map<string, Fresh<readonly InstanceAbilities[]>>();
  const parsed = new Map<string, ReadonlyMap<string, Abilities>>();

  /** What is known already is not read again. */
  const readDigests = async (digests: readonly string[], before: ReadonlyMap<string, Abilities> = new Map()) => {
    const found = new Map<string, Abilities>();
    for (const digest of new Set(digests)) {
      const abilities = before.get(digest);
      const text = abilities === undefined ? await redis.get(keys.abilities(digest)) : null;
      if (abilities !== undefined) found.set(digest, abilities);
      else if (text !== null) found.set(digest, JSON.parse(text) as Abilities);
    }
    return found;
  };

  const read = async (pool: string): Promise<readonly InstanceAbilities[]> => {
    const entries = Object.entries(await redis.hgetall(keys.able(pool))).map(([instance, text]) => {
      const [seenAt = '', digest = ''] = text.split(' ');
      return { instance, seenAt: Number(seenAt), digest };
    });
    const recent = entries.filter(({ seenAt }) => seenAt > Date.now() - LIFE_MS);
    const byDigest = await readDigests(
      recent.map(({ digest }) => digest),
      parsed.get(pool),
    );
    parsed.set(pool, byDigest);
    return recent.flatMap(({ instance, seenAt, digest }) => {
      const abilities = byDigest.get(digest);
      return abilities === undefined ? [] : [{ instance, seenAt, abilities }];
    });
  };

  return (pool) => {
    const ofPool = known.get(pool) ?? fresh(FRESH_MS, () => read(pool));
    known.set(pool, ofPool);
    return ofPool.now();
  };
}
