import type { RedisSettings } from '@comfy-fleet/config';
import { workerConnection } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import { type Job, type Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { createKeys, type Keys } from '../keys.js';
import { NO_EVENTS, openQueue } from './work-queues.js';

/** A task of the housekeeping, which is done again and again. */
export interface Task {
  readonly name: string;
  readonly everyMs: number;
  /** Does it once. BullMQ keeps the result with the run. Must be safe to do twice and at once. */
  readonly run: () => Promise<unknown>;
}

export interface SchedulesOptions {
  readonly redis: RedisSettings;
  /** A run is repeated when its process has not renewed its lock for this long. */
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  readonly log: Logger;
}

export interface Schedules {
  /**
   * Does these tasks on BullMQ's job schedulers, which all processes share, until the signal aborts. Waits while Redis
   * is away. Resolves when the runs under way are over.
   */
  work(tasks: readonly Task[], signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Ended runs that are kept of all tasks together: about an hour of them. */
const KEPT_RUNS = 1000;
/** How often a run is tried, and how long after the first failure; that doubles. */
const ATTEMPTS = 3;
const RETRY_MS = 1000;

/** BullMQ's queue of the housekeeping. */
export function createHousekeepingQueue(redis: Redis, keys: Keys, log: Logger): Queue {
  return openQueue(redis, keys, keys.housekeepingQueue, log, NO_EVENTS);
}

export function createSchedules({ lockMs, stalledCheckMs, log, ...options }: SchedulesOptions): Schedules {
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
    work: async (tasks, signal) => {
      const worker = new Worker(
        keys.housekeepingQueue,
        async (job) => {
          const task = tasks.find(({ name }) => name === job.name);
          if (task === undefined) throw new Error('this dispatcher does not know the task');
          // A run that takes longer than the interval gets no company.
          return (await isUnderWay(job)) ? 'skipped: the run before is not over' : task.run();
        },
        {
          connection: redis,
          prefix: keys.prefix,
          autorun: false,
          concurrency: tasks.length,
          lockDuration: lockMs,
          stalledInterval: stalledCheckMs,
          // A process that dies during a run says nothing about the task.
          maxStalledCount: Number.MAX_SAFE_INTEGER,
          runRetryDelay: 500,
        },
      );
      let isRefused = false;
      worker.on('error', (error) => {
        // Connections break and come back; a Redis that answers and refuses needs an operator. BullMQ asks it at once again.
        const level = error.name === 'ReplyError' && !isRefused ? 'warn' : 'debug';
        log[level]('Redis lets no housekeeping be done', { error });
        isRefused ||= level === 'warn';
      });
      worker.on('completed', () => {
        isRefused = false;
      });
      worker.on('failed', (job, error) => log.warn('a task of the housekeeping failed', { task: job?.name, error }));
      const scheduleAll = () => {
        schedule(tasks).catch((error: unknown) => log.warn('the housekeeping could not be scheduled', { error }));
      };
      // After each reconnect too, since Redis may have lost the schedulers with its last data.
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
