import { isTerminal, type JobStatus } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** A job whose work item a worker holds. */
export interface JobInWork {
  readonly id: string;
  readonly key: string;
  readonly signature: string;
  readonly workflow: string;
  readonly weight: number;
  readonly instance: string;
  /** In ms since 1970, by Redis' clock. */
  readonly createdAt: number;
  /** When its execution began, in ms since 1970 by Redis' clock; undefined if it has not. */
  readonly startedAt: number | undefined;
}

type ExecutingJob = JobInWork & { readonly startedAt: number };

/** Jobs of a pool that are read, the latest claimed ones: enough for more than a thousand GPUs. */
const MOST_READ = 4000;
const FIELDS = [
  'key',
  'signature',
  'workflow',
  'weight',
  'instance',
  'created_at',
  'started_at',
  'status',
  'phase',
] as const;

/** The jobs of a pool that execute, or that a worker has claimed to execute them. */
export async function readInWork(redis: Redis, keys: Keys, pool: string): Promise<JobInWork[]> {
  const ids = await redis.lrange(keys.active(pool), 0, MOST_READ - 1);
  const records = await Promise.all(ids.map((id) => redis.hmget(keys.job(id), ...FIELDS)));
  return records.flatMap(([key, signature, workflow, weight, instance, createdAt, startedAt, status, phase], n) => {
    if (!key || !signature || isTerminal(status as JobStatus)) return [];
    if (!startedAt && (status !== 'queued' || phase === 'waiting')) return [];
    return [
      {
        id: ids[n] as string,
        key,
        signature,
        workflow: workflow ?? '',
        weight: Number(weight ?? 1),
        instance: instance ?? '',
        createdAt: Number(createdAt),
        startedAt: startedAt ? Number(startedAt) : undefined,
      },
    ];
  });
}

/** Those that are executing, including jobs whose outputs are being stored. */
export function executing(jobs: readonly JobInWork[]): ExecutingJob[] {
  return jobs.filter((job): job is ExecutingJob => job.startedAt !== undefined);
}
