import type { WebhookAttempt } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { type NamedArguments, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';

/** A try as the log keeps it: with what callers do not see. */
interface LoggedAttempt extends WebhookAttempt {
  /** Of the item of the delivery queue. */
  readonly run: string;
  /** That item was over with it. */
  readonly isLast: boolean;
}

/** The tries that lines of the log describe. */
export function parseAttempts(lines: readonly string[]): LoggedAttempt[] {
  // Redis may have died after it had written a line and before it answered; then the line was written again.
  const once = lines.filter((line, n) => line !== lines[n - 1]);
  return once.map((line) => JSON.parse(line) as LoggedAttempt);
}

/** How long the jobs live whose webhooks are delivered: a webhook notifies of a job that can be asked for. */
export interface JobLife {
  /**
   * Keeps an ended job for long after this moment, whatever its lifetime says, as its webhook is still to come. Answers
   * its key; undefined when there is no such job (any more).
   */
  prolong(id: string): Promise<string | undefined>;
  /** Logs a try; keeps the job until the next one and long after, or begins its lifetime when there is to be none. */
  noteTry(id: string, attempt: WebhookAttempt & { run: string }, nextTryInMs: number | undefined): Promise<void>;
  /** There is nothing (more) to notify of: its lifetime begins. */
  notified(id: string): Promise<void>;
}

export function createJobLife(redis: Redis, keys: Keys, jobTtlSeconds: number): JobLife {
  const ttlMs = jobTtlSeconds * 1000;
  const lifeUntil = (nextTryInMs: number) => nextTryInMs + ttlMs + LUA_CONSTANTS.UNDELIVERED_EXTRA_MS;
  const run = async (id: string, args: NamedArguments = {}) =>
    (await runScript(redis, 'outlive', keys.job(id), keys.prefix, { id, ended_life: ttlMs, ...args })) as string;
  return {
    prolong: async (id) => (await run(id, { life: lifeUntil(0) })) || undefined,
    noteTry: async (id, attempt, nextTryInMs) => {
      const isLast = nextTryInMs === undefined;
      await run(id, { try: JSON.stringify({ ...attempt, isLast }), life: isLast ? undefined : lifeUntil(nextTryInMs) });
    },
    notified: async (id) => {
      await run(id);
    },
  };
}
