import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { batched } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { type JobSnapshot, parseSnapshot } from '../record/record.js';

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

interface Answer {
  readonly reply: unknown;
  /** Parsed once for all who asked. */
  snapshot?: JobSnapshot | undefined;
  /** Whether a record has long values, such as hundreds of outputs, which take milliseconds to parse and to present. */
  readonly isLong: boolean;
}

/**
 * Reads jobs and counts requests. Everything asked in one turn of the event loop shares a round trip, which costs this
 * process far more than the reads cost Redis.
 */
export function createBatchedReads(redis: Redis, keys: Keys) {
  const ask = async (questions: readonly Question[]): Promise<Answer[]> => {
    // A job that ends is read at once by everybody who follows it. Each request has to be counted.
    const nameOf = (question: Question, index: number) => (question[0] === 'count' ? index : question.join(' '));
    const unique = new Map(questions.map((question, index) => [nameOf(question, index), question]));
    const reply = await runScript(redis, 'read', keys.callers, keys.prefix, {}, [...unique.values()].flat());
    const [text = '', ...long] = reply as readonly string[];
    const answers = (JSON.parse(text) as readonly unknown[][]).map(([fields, ...others]): Answer => {
      // Lua encodes an empty list as an object.
      if (!Array.isArray(fields)) return { reply: [fields, ...others], isLong: false };
      const values = fields.map((value: string | number) => (typeof value === 'number' ? long[value - 1] : value));
      return { reply: [values, ...others], isLong: fields.some((value) => typeof value === 'number') };
    });
    const byName = new Map([...unique.keys()].map((name, index) => [name, answers[index] as Answer]));
    return questions.map((question, index) => byName.get(nameOf(question, index)) as Answer);
  };
  const load = batched<Question, Answer>(ask, { maxBatchSize: MAX_QUESTIONS });
  let lastTurn: Promise<unknown> = Promise.resolve();
  const read = async (question: Question) => {
    const answer = await load(question);
    if (answer.isLong && answer.snapshot === undefined) {
      // Other requests are served between two such jobs.
      lastTurn = lastTurn.then(() => yieldToEventLoop());
      await lastTurn;
    }
    answer.snapshot ??= parseSnapshot(answer.reply);
    return answer.snapshot;
  };
  return {
    job: (id: string) => read(['job', id]),
    /** The key's job with this alias or id. */
    aliased: async (key: string, alias: string) => {
      const snapshot = await read(['alias', `${key} ${alias}`]);
      return snapshot?.record.key === key ? snapshot : undefined;
    },
    count: async (caller: string): Promise<RequestCount> => {
      const [requests, resetMs] = (await load(['count', caller])).reply as [number, number];
      return { requests, resetMs: Math.max(0, resetMs) };
    },
  };
}
