import type { ModelCopy, ResolvedRequest } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { commit, orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';
import { expectedMs, readDurations } from '../scheduling/durations.js';
import { readWaiting } from '../scheduling/read-waiting.js';
import type { FetchPlan, WantedModels } from './fetch-view.js';
import { FOLDER_LIFE_MS } from './folders.js';

/** Waiting jobs of a key with the same affinity key; see WantedModels. */
export interface WaitingJobs extends Omit<WantedModels, 'models'> {
  readonly affinity: string;
  /** The id of the first of them. */
  readonly job: string;
}

/** Each model folder is planned every two seconds. */
const MOST_READ = { keys: 64, heads: 500 };

/** What fetches depend on. Every method fails with `queue_unavailable` while Redis is away. */
export function createModelDemand(redis: Redis, keys: Keys) {
  return {
    /** The waiting jobs of a pool in the order of service: the keys, and of each key its affinity queues. */
    waiting: (pool: string): Promise<readonly WaitingJobs[]> =>
      orUnavailable(async () => {
        const reading = [readWaiting(redis, keys, pool, MOST_READ), readDurations(redis, keys, pool)] as const;
        const [waiting, durations] = await Promise.all(reading);
        return waiting.flatMap(({ key, heads }) =>
          heads.map(({ id, affinity, signature, jobs, since }) => {
            const ms = expectedMs(signature, durations) ?? LUA_CONSTANTS.UNKNOWN_MS;
            return { pool, key, affinity, job: id, since, waiting: jobs, expectedMs: ms };
          }),
        );
      }),
    /** Ids of the jobs that these workers are responsible for. */
    heldBy: (workers: readonly string[]) =>
      orUnavailable(async () => (await Promise.all(workers.map((worker) => redis.smembers(keys.held(worker))))).flat()),
    /** The key and the request of a job; undefined if its record is gone. */
    jobOf: (job: string) =>
      orUnavailable(async () => {
        const [key, request] = await redis.hmget(keys.job(job), 'key', 'request');
        return key && request ? { key, request: JSON.parse(request) as ResolvedRequest } : undefined;
      }),
    /** Announces a fetch that was planned. Returns false if enough hosts have or fetch the model by now. */
    beginFetch: (folder: string, { id, most, rivals }: FetchPlan['fetch'][number], copy: ModelCopy) =>
      orUnavailable(async () => {
        const own = keys.modelCopies(folder);
        const changes = [
          ['HSET', own, id, JSON.stringify(copy)],
          ['PEXPIRE', own, FOLDER_LIFE_MS],
        ];
        // Two hosts that choose at the same time must not both fetch a model that is needed once.
        for (;;) {
          const copies = await Promise.all(rivals.map((rival) => redis.hget(keys.modelCopies(rival), id)));
          const states = copies.map((text) => text && (JSON.parse(text) as ModelCopy).state);
          if (states.filter((state) => state === 'ready' || state === 'fetching').length > most) return false;
          const given = rivals.map((rival, n) => [['HGET', keys.modelCopies(rival), id], copies[n] ?? null] as const);
          if (await commit(redis, keys, given, changes)) return true;
        }
      }),
  };
}
