import type { Redis } from 'ioredis';
import { type NamedArguments, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';
import type { LoggedAttempt } from './attempt-log.js';

/** How long the jobs live whose webhooks are delivered: a webhook notifies of a job that can be asked for. */
export interface JobLife {
  /**
   * Keeps an ended job for long after this moment, whatever its lifetime says, as its webhook is still to come. Answers its
   * key; undefined when there is no such job (any more).
   */
  prolong(id: string): Promise<string | undefined>;
  /** Logs a try; keeps the job until the next one and long after, or begins its lifetime when there is to be none. */
  noteTry(id: string, attempt: LoggedAttempt, nextTryInMs: number | undefined): Promise<void>;
  /** There is nothing (more) to notify of: its lifetime begins. */
  notified(id: string): Promise<void>;
}

export function createJobLife(redis: Redis, keys: Keys, jobTtlSeconds: number): JobLife {
  const ttlMs = jobTtlSeconds * 1000;
  const lifeUntil = (nextTryInMs: number) => nextTryInMs + ttlMs + LUA_CONSTANTS.UNDELIVERED_EXTRA_MS;
  const run = (name: 'prolong' | 'noteTry' | 'notified', id: string, args: NamedArguments = {}) =>
    runScript(redis, name, keys.job(id), keys.prefix, { id, ended_life: ttlMs, ...args });
  return {
    prolong: async (id) => ((await run('prolong', id, { life: lifeUntil(0) })) as string) || undefined,
    noteTry: async (id, attempt, nextTryInMs) => {
      const life = nextTryInMs === undefined ? undefined : lifeUntil(nextTryInMs);
      await run('noteTry', id, { try: JSON.stringify(attempt), life });
    },
    notified: async (id) => {
      await run('notified', id);
    },
  };
}
