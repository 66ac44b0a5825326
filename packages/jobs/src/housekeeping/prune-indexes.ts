import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { afterWorkflowPrefix, firstIdAt, idOfMember, workflowOfMember, workflowPrefix } from '../record/indexes.js';

/** Ids read in one round trip. */
const PAGE = 500;

/**
 * Removes ids whose record is gone from the indexes of every API key; returns how many jobs that were. A record expires
 * no earlier than its lifetime after its creation, and `forget` cleans up after itself, so only older ids are read.
 * Most of these records are gone, except for jobs that waited or ran for long.
 */
export async function pruneIndexes(redis: Redis, keys: Keys, jobTtlSeconds: number): Promise<number> {
  const before = firstIdAt((await redisTime(redis)) - jobTtlSeconds * 1000);
  let pruned = 0;
  for (const caller of await redis.hkeys(keys.callers)) {
    for await (const ids of membersOf(redis, keys.jobsOf(caller), { to: before })) {
      pruned += await pruneJobs(redis, keys, caller, ids);
    }
    await pruneByWorkflow(redis, keys, keys.jobsByWorkflow(caller), before);
  }
  return pruned;
}

/** The members of an index with this prefix, up to the id `to`, in pages. Misses none when others leave meanwhile. */
export async function* membersOf(
  redis: Redis,
  index: string,
  { prefix = '', to = '~' }: { readonly prefix?: string; readonly to?: string } = {},
): AsyncGenerator<readonly string[]> {
  for (let from = `[${prefix}`; ; ) {
    const members = await redis.zrangebylex(index, from, `[${prefix}${to}`, 'LIMIT', 0, PAGE);
    const last = members.at(-1);
    if (last === undefined) return;
    yield members;
    from = `(${last}`;
  }
}

/** Goes from workflow to workflow, which skips the young ids of each. */
async function pruneByWorkflow(redis: Redis, keys: Keys, index: string, before: string): Promise<void> {
  for (let from = '-'; ; ) {
    const [first] = await redis.zrangebylex(index, from, '+', 'LIMIT', 0, 1);
    if (first === undefined) return;
    const workflow = workflowOfMember(first);
    for await (const members of membersOf(redis, index, { prefix: workflowPrefix(workflow), to: before })) {
      const are = await Promise.all(members.map((member) => redis.exists(keys.job(idOfMember(member)))));
      const gone = members.filter((_, n) => are[n] === 0);
      if (gone.length > 0) await redis.zrem(index, ...gone);
    }
    from = `(${afterWorkflowPrefix(workflow)}`;
  }
}

/** Removes jobs whose record is gone from the lists of the key, and releases their bytes. Returns how many there were. */
export async function pruneJobs(redis: Redis, keys: Keys, caller: string, ids: readonly string[]): Promise<number> {
  return (await runScript(redis, 'prune', keys.jobsOf(caller), keys.prefix, { key: caller, ids })) as number;
}
