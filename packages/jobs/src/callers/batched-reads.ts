import { batched } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { parseSnapshot } from '../record/record.js';

/**
 * Maximum number of questions per script call (each request asks two), so that a burst of requests does not block Redis
 * for long, and Redis works while we prepare more.
 */
const MAX_QUESTIONS = 50;

/** How many requests a key sent in the current minute, and when that minute ends. */
export interface RequestCount {
  readonly requests: number;
  readonly resetMs: number;
}

export type BatchedReads = ReturnType<typeof createBatchedReads>;

type Question = readonly [kind: 'job' | 'alias' | 'count', subject: string];

/**
 * Reads jobs and counts requests. Everything asked in one turn of the event loop shares a round trip, which costs this
 * process far more than the reads cost Redis.
 */
export function createBatchedReads(redis: Redis, keys: Keys) {
  const ask = async (questions: readonly Question[]): Promise<unknown[]> => {
    const reply = await runScript(redis, 'read', keys.callers, keys.prefix, {}, questions.flat());
    return JSON.parse(reply as string) as unknown[];
  };
  const load = batched<Question, unknown>(ask, { maxBatchSize: MAX_QUESTIONS });
  return {
    job: async (id: string) => parseSnapshot(await load(['job', id])),
    /** The key's job with this alias or id. */
    aliased: async (key: string, alias: string) => {
      const snapshot = parseSnapshot(await load(['alias', `${key} ${alias}`]));
      return snapshot?.record.key === key ? snapshot : undefined;
    },
    count: async (caller: string): Promise<RequestCount> => {
      const [requests, resetMs] = (await load(['count', caller])) as [number, number];
      return { requests, resetMs: Math.max(0, resetMs) };
    },
  };
}
