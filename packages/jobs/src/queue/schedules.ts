import type { RedisSettings } from '@comfy-fleet/config';
import { workerConnection } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import { type Job, type Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { createKeys, type Keys } from '../keys.js';
import { NO_EVENTS, openQueue } from './work-queues.js';

/** A housekeeping task that runs at intervals. */
export interface Task {
  readonly name: string;
  readonly everyMs: number;
  /** Runs the task once. BullMQ stores the result. It must be safe to run twice, also at the same time. */
  readonly run: () => Promise<unknown>;
}

export interface SchedulesOptions {
  readonly redis: RedisSettings;
  /** A run is repeated if its process has not renewed its lock for this long. */
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  readonly log: Logger;
}

/** How many finished runs of all tasks are kept: those of about an hour. */
const KEPT_RUNS = 1000;
/** How often a failing run is tried, and the pause after the first failure, which doubles each time. */
const ATTEMPTS = 3;
const RETRY_MS = 1000;

/** BullMQ's queue of housekeeping runs. */
export function createHousekeepingQueue(redis: Redis, keys: Keys, log: Logger): Queue {
  return openQueue(redis, keys, keys.housekeepingQueue, log, NO_EVENTS);
}

export function createSchedules({ lockMs, stalledCheckMs, log, ...options }: SchedulesOptions) {
  const keys = createKeys(options.redis.prefix);
  const redis = workerConnection(options.redis, log);
  const queue = createHousekeepingQueue(redis, keys, log);

  const schedule = async (tasks: readonly Task[]) => {
    const opts = {
      attempts: ATTEMPTS,
      backoff: { type: 'exponential', delay: RETRY_MS },
      stackTraceLimit: 0,
      removeOnComplete: { count: KEPT_RUNS },
      removeOnFail: { count: KEPT_RUNS },
    };
    for (const { name, everyMs } of tasks) await queue.upsertJobScheduler(name, { every: everyMs }, { name, opts });
  };
  const isUnderWay = async ({ id, name }: Job) =>
    (await queue.getActive()).some((other) => other.name === name && other.id !== id);

  return {
    /**
     * Runs these tasks with BullMQ's job schedulers, which all processes share, until the signal aborts. Waits while
     * Redis is away. Resolves when the current runs are over.
     */
    work: async (tasks: readonly Task[], signal: AbortSignal) => {
      const worker = new Worker(
        keys.housekeepingQueue,
        async (job) => {
          const task = tasks.find(({ name }) => name === job.name);
          if (task === undefined) throw new Error('this dispatcher has no such task');
          // A run that takes longer than its interval must not overlap with the next one.
          return (await isUnderWay(job)) ? 'skipped: the previous run is not over' : task.run();
        },
        {
          connection: redis,
          prefix: keys.prefix,
          autorun: false,
          concurrency: tasks.length,
          lockDuration: lockMs,
          stalledInterval: stalledCheckMs,
          // The death of a process during a run says nothing about the task.
          maxStalledCount: Number.MAX_SAFE_INTEGER,
          runRetryDelay: 500,
        },
      );
      let isRefused = false;
      worker.on('error', (error) => {
        // Lost connections come back, but if Redis answers with an error, an operator must act. Logged once, because
        // BullMQ retries at once.
        const level = error.name === 'ReplyError' && !isRefused ? 'warn' : 'debug';
        log[level]('Redis refuses the housekeeping', { error });
        isRefused ||= level === 'warn';
      });
      worker.on('completed', () => {
        isRefused = false;
      });
      worker.on('failed', (job, error) => log.warn('a housekeeping task failed', { task: job?.name, error }));
      const scheduleAll = () => {
        schedule(tasks).catch((error: unknown) => log.warn('scheduling the housekeeping failed', { error }));
      };
      // Also after each reconnect, because Redis may have lost the schedulers with its last data.
      redis.on('ready', scheduleAll);
      if (redis.status === 'ready') scheduleAll();
      const end = () => void worker.close();
      if (signal.aborted) end();
      signal.addEventListener('abort', end, { once: true });
      await worker.run();
      await worker.close();
      redis.off('ready', scheduleAll);
    },
    close: async () => {
      await queue.close().catch((error: unknown) => log.debug('closing the queue failed', { error }));
      redis.disconnect();
    },
  };
}
