import { hash } from 'node:crypto';
import { filesOf, isTerminal, type JobStatus, type ResolvedRequest } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import type { JobRecord } from '../record/record.js';
import { MARK } from '../scheduling/choose.js';

/** A job whose texts may be encoded ahead, by a prompt that belongs to no job. */
export interface JobAhead {
  readonly id: string;
  readonly key: string;
  readonly request: ResolvedRequest;
}

/** The execution of such a prompt. Times are in ms. */
export interface ExecutionAhead {
  readonly instance: string;
  readonly ms: number;
  /** How much of it went into loading models. */
  readonly loadedMs: number | undefined;
}

/** What a job is charged of GPU time that served several jobs, in ms. */
export interface JobShare {
  readonly id: string;
  readonly key: string;
  readonly pool: string;
  readonly ms: number;
}

/** What encoding the texts of waiting jobs ahead needs from the ledger. */
export type EncodeAheadLedger = ReturnType<typeof createEncodeAheadLedger>;

/** Characters of a mark. If two instances had the same one by chance, jobs would only run in a worse order. */
const MARK_LENGTH = 8;

/**
 * The mark of an instance. It replaces the signature of what a waiting job encodes (encodingOf in packages/workflows)
 * when the instance encodes the job's texts ahead.
 */
export function markOf(instance: string): string {
  return `${MARK}${hash('sha1', instance, 'base64url')}`.slice(0, MARK_LENGTH);
}

export function createEncodeAheadLedger(redis: Redis, keys: Keys, worker: string) {
  return {
    /**
     * At most `most` of the next jobs that need the same models as this one, without jobs with a comfy.org key, and
     * without those that wait with the mark of another instance. Marks those that wait: an Asker with this mark as its
     * `encoding` prefers them. `ofKey`: only jobs of the same key.
     */
    alike: async (job: string, most: number, mark: string, ofKey = false): Promise<readonly JobAhead[]> => {
      const args = { id: job, worker, most, mark, of_key: ofKey };
      const found = await orUnavailable(() => runScript(redis, 'alike', keys.job(job), keys.prefix, args));
      return (found as [id: string, key: string, request: string][]).map(([id, key, request]) => {
        return { id, key, request: JSON.parse(request) as ResolvedRequest };
      });
    },
    /** Whether any of these jobs has not ended. */
    isAnyWanted: async (jobs: readonly string[]) => {
      const statuses = await orUnavailable(() => Promise.all(jobs.map((job) => redis.hget(keys.job(job), 'status'))));
      return statuses.some((status) => status !== null && !isTerminal(status as JobStatus));
    },
    /** The instance died or hung under such a prompt, which ran before that of this job. May count as a kill by its key. */
    killed: async (job: Pick<JobRecord, 'id' | 'key' | 'request'>, promptId: string): Promise<void> => {
      const { id, key, request } = job;
      const { workflow } = request;
      const has_files = filesOf(request).length > 0;
      const args = { id, key, workflow, request: JSON.stringify(request), has_files, prompt_id: promptId };
      await orUnavailable(() => runScript(redis, 'killAhead', keys.job(id), keys.prefix, args));
    },
    /**
     * Charges the keys of these jobs for such a prompt, which is added to the timeline of its instance, or, without one,
     * for models that are loaded again because of their results. The first job is the one before whose prompt it ran.
     */
    charge: async (shares: readonly JobShare[], execution?: ExecutionAhead): Promise<void> => {
      const [first] = shares;
      if (first === undefined) return;
      const args = { id: first.id, execution, shares };
      await orUnavailable(() => runScript(redis, 'chargeAhead', keys.job(first.id), keys.prefix, args));
    },
  };
}
