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

/** Ids looked at in one round trip. */
const PAGE = 500;

/**
 * Takes ids whose record is gone out of the indexes of every API key; answers how many jobs that were. A record goes by
 * itself no earlier than its lifetime after its creation, and `forget` clears up behind itself: only ids older than
 * that are looked at, of which all are gone whose jobs did not wait or run for long.
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
  /** Ids of before then are looked at, in ms since 1970. */
  readonly before: number;
}

/** Of an index of ids, or of those with one prefix. */
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

/** Goes from one workflow to the next: what is young of each is passed over. */
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
  for (let stay = 0; ; ) {
    const ids = await redis.zrangebyscore(index, 0, before, 'LIMIT', stay, PAGE);
    if (ids.length === 0) return;
    stay += ids.length - (await prune(redis, keys, index, ids));
  }
}

/** Those of the key's jobs whose record is gone hold nothing any more. Answers how many there were. */
export async function pruneJobs(redis: Redis, keys: Keys, caller: string, ids: readonly string[]): Promise<number> {
  return (await runScript(redis, 'prune', keys.jobsOf(caller), keys.prefix, { key: caller, ids })) as number;
}

/** An id is given out once, with its record: one that has none will never have one again. */
async function prune(redis: Redis, keys: Keys, index: string, members: readonly string[]): Promise<number> {
  const are = await Promise.all(members.map((member) => redis.exists(keys.job(idOfMember(member)))));
  const gone = members.filter((_, n) => are[n] === 0);
  return gone.length === 0 ? 0 : redis.zrem(index, ...gone);
}

/** Forgets the names of every API key whose assets are gone; answers how many. */
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
