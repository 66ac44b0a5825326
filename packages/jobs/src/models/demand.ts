import type { ModelCopy, ResolvedRequest } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { asList } from '../scheduling/snapshot.js';
import type { FetchPlan, WantedModels } from './fetch-view.js';
import { FOLDER_LIFE_MS } from './folders.js';

/** Waiting jobs of a key with the same affinity key; see WantedModels. */
export interface WaitingJobs extends Omit<WantedModels, 'models'> {
  readonly affinity: string;
  /** The id of the first of them. */
  readonly job: string;
}

/** What fetches depend on. Every method fails with `queue_unavailable` while Redis is away. */
export interface ModelDemand {
  /** The waiting jobs of a pool in the order of service, of at most 500 affinity queues. */
  waiting(pool: string): Promise<readonly WaitingJobs[]>;
  /** Ids of the jobs that these workers are responsible for. */
  heldBy(workers: readonly string[]): Promise<readonly string[]>;
  /** The key and the request of a job; undefined if its record is gone. */
  jobOf(job: string): Promise<{ readonly key: string; readonly request: ResolvedRequest } | undefined>;
  /** What a folder has, as it was announced last, by `<kind>/<name>`. */
  copiesOf(folder: string): Promise<ReadonlyMap<string, ModelCopy>>;
  /** Announces a fetch that was planned. Returns false if enough hosts have or fetch the model by now. */
  beginFetch(folder: string, fetch: FetchPlan['fetch'][number], copy: ModelCopy): Promise<boolean>;
}

interface Row {
  readonly key: string;
  readonly affinity: string;
  readonly job: string;
  readonly since: number;
  readonly waiting: number;
  readonly expected_ms: number;
}

export function createModelDemand(redis: Redis, keys: Keys): ModelDemand {
  return {
    waiting: (pool) =>
      orUnavailable(async () => {
        const text = (await runScript(redis, 'wantedModels', keys.open(pool), keys.prefix, { pool })) as string;
        return asList(JSON.parse(text) as readonly Row[]).map(({ expected_ms, ...row }) => ({
          ...row,
          pool,
          expectedMs: expected_ms,
        }));
      }),
    heldBy: (workers) =>
      orUnavailable(async () => (await Promise.all(workers.map((worker) => redis.smembers(keys.held(worker))))).flat()),
    jobOf: (job) =>
      orUnavailable(async () => {
        const [key, request] = await redis.hmget(keys.job(job), 'key', 'request');
        return key && request ? { key, request: JSON.parse(request) as ResolvedRequest } : undefined;
      }),
    copiesOf: (folder) =>
      orUnavailable(async () => {
        const entries = Object.entries(await redis.hgetall(keys.modelCopies(folder)));
        return new Map(entries.map(([id, text]) => [id, JSON.parse(text) as ModelCopy]));
      }),
    beginFetch: (folder, { id, most, rivals }, copy) =>
      orUnavailable(async () => {
        const args = { folder, id, most, rivals, copy: JSON.stringify(copy), life_ms: FOLDER_LIFE_MS };
        return (await runScript(redis, 'beginFetch', keys.modelCopies(folder), keys.prefix, args)) === 1;
      }),
  };
}
