import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import {
  afterWorkflowPrefix,
  firstIdAt,
  idOfMember,
  idsOf,
  inPages,
  workflowOfMember,
  workflowPrefix,
} from '../record/indexes.js';

/** Ids read in one round trip. */
const PAGE = 500;

/**
 * Removes ids whose record is gone from the indexes of every API key; returns how many jobs that were. A record expires
 * no earlier than its lifetime after its creation, and `forget` cleans up after itself, so only older ids are read.
 * Most of these records are gone, except for jobs that waited or ran for long.
 */
export async function pruneIndexes(redis: Redis, keys: Keys, jobTtlSeconds: number): Promise<number> {
  const before = (await redisTime(redis)) - jobTtlSeconds * 1000;
  let pruned = 0;
  for (const caller of await redis.smembers(keys.callers)) {
    const index = keys.jobsOf(caller);
    pruned += await pruneById({ redis, keys, before }, index, '', (ids) => pruneJobs(redis, keys, caller, ids));
    await pruneByWorkflow({ redis, keys, before }, keys.jobsByWorkflow(caller));
    for (const index of [keys.openOf(caller), keys.endedOf(caller)]) await pruneByTime(redis, keys, index, before);
  }
  return pruned;
}

interface Pruning {
  readonly redis: Redis;
  readonly keys: Keys;
  /** Ids from before this time are read, in ms since 1970. */
  readonly before: number;
}

/** Prunes an index of ids, or its members with a prefix. */
async function pruneById(
  { redis, keys, before }: Pruning,
  index: string,
  prefix = '',
  take = (members: readonly string[]) => prune(redis, keys, index, members),
): Promise<number> {
  const to = `[${prefix}${firstIdAt(before)}`;
  let pruned = 0;
  for (let from = `[${prefix}0`; ; ) {
    const members = await redis.zrangebylex(index, from, to, 'LIMIT', 0, PAGE);
    const last = members.at(-1);
    if (last === undefined) return pruned;
    pruned += await take(members);
    from = `(${last}`;
  }
}

/** Goes from workflow to workflow, which skips the young ids of each. */
async function pruneByWorkflow(pruning: Pruning, index: string): Promise<void> {
  for (let from = '-'; ; ) {
    const [first] = await pruning.redis.zrangebylex(index, from, '+', 'LIMIT', 0, 1);
    if (first === undefined) return;
    const workflow = workflowOfMember(first);
    await pruneById(pruning, index, workflowPrefix(workflow));
    from = `(${afterWorkflowPrefix(workflow)}`;
  }
}

async function pruneByTime(redis: Redis, keys: Keys, index: string, before: number): Promise<void> {
  for (let kept = 0; ; ) {
    const ids = await redis.zrangebyscore(index, 0, before, 'LIMIT', kept, PAGE);
    if (ids.length === 0) return;
    kept += ids.length - (await prune(redis, keys, index, ids));
  }
}

/** Removes jobs of the key whose record is gone, and releases their bytes. Returns how many there were. */
export async function pruneJobs(redis: Redis, keys: Keys, caller: string, ids: readonly string[]): Promise<number> {
  return (await runScript(redis, 'prune', keys.jobsOf(caller), keys.prefix, { key: caller, ids })) as number;
}

/** Ids are never reused, so an id without a record can be removed. */
async function prune(redis: Redis, keys: Keys, index: string, members: readonly string[]): Promise<number> {
  const are = await Promise.all(members.map((member) => redis.exists(keys.job(idOfMember(member)))));
  const gone = members.filter((_, n) => are[n] === 0);
  return gone.length === 0 ? 0 : redis.zrem(index, ...gone);
}

/** Forgets the names of every API key whose assets are gone; returns how many. */
export async function pruneNames(redis: Redis, keys: Keys): Promise<number> {
  let pruned = 0;
  for (const caller of await redis.smembers(keys.callers)) {
    for (const names of inPages(await idsOf(redis, keys.namesByTime(caller), 0), PAGE)) {
      const named = { key: caller, verb: 'prune', names };
      pruned += (await runScript(redis, 'assetNames', keys.assetNames(caller), keys.prefix, named)) as number;
    }
  }
  return pruned;
}
