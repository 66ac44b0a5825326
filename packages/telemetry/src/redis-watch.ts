import { setTimeout as delay } from 'node:timers/promises';
import { joinSignals, orAborted } from '@comfy-fleet/contracts';
import { every } from './every.js';
import type { Logger } from './logger.js';
import { type Metrics, REDIS_BUCKETS } from './metrics.js';

interface RedisWatch {
  readonly metrics: Metrics;
  /** Resolves when Redis has answered, on a connection that the process works with. */
  readonly ping: (signal: AbortSignal) => Promise<unknown>;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly everyMs?: number;
}

const PING_MS = 5000;
/** Longer than REDIS_TIMEOUT_MS; beyond that Redis counts as down. */
const TIMEOUT_MS = 2000;

/** Pings Redis every few seconds for `redis_round_trip_seconds` and `redis_up`. Resolves after the signal aborts. */
export function watchRedis({ metrics, ping, signal, log, everyMs = PING_MS }: RedisWatch): Promise<void> {
  const roundTrip = metrics.histogram({
    name: 'redis_round_trip_seconds',
    help: 'Time of a PING of Redis on a connection of this process, one every 5 s; those without an answer are not in it.',
    buckets: REDIS_BUCKETS,
  });
  const up = metrics.gauge({
    name: 'redis_up',
    help: '1 if the latest PING of Redis by this process, at most 7 s ago, was answered within 2 s, else 0.',
  });
  const pingOnce = async () => {
    const start = performance.now();
    try {
      await within(TIMEOUT_MS, ping);
      roundTrip.observe((performance.now() - start) / 1000);
      up.set(1);
    } catch (error) {
      up.set(0);
      log.debug('Redis did not answer a PING', { error });
    }
  };
  return every(everyMs, 'pinging Redis', pingOnce, { signal, log });
}

/** Some pings ignore their signal. */
async function within(ms: number, ping: RedisWatch['ping']): Promise<void> {
  const late = AbortSignal.timeout(ms);
  await orAborted(ping(late), late);
}

/** Longer than a failover takes, but short enough for people who wait for a process to end. */
const PATIENCE_MS = 10_000;
const PING_AGAIN_MS = 500;
/** Time for one PING; longer than REDIS_TIMEOUT_MS. */
const ANSWER_MS = 2000;

interface RedisNeeded {
  /** Resolves when Redis has answered; rejects when it cannot, or when the signal aborts. */
  readonly ping: (signal: AbortSignal) => Promise<unknown>;
  readonly patienceMs?: number;
}

/**
 * Resolves like `work`. Rejects when Redis has not answered for so long that waiting is pointless. For stopping a
 * process, whose jobs other processes take over once they can reach Redis.
 */
export async function whileRedisAnswers<T>(
  work: Promise<T>,
  { ping, patienceMs = PATIENCE_MS }: RedisNeeded,
): Promise<T> {
  const over = new AbortController();
  const gone = async (): Promise<never> => {
    for (let answered = performance.now(); ; ) {
      const late = joinSignals([over.signal], { ms: ANSWER_MS });
      const isThere = await ping(late.signal).then(
        () => true,
        () => false,
      );
      late.end();
      if (isThere) answered = performance.now();
      else if (performance.now() - answered > patienceMs) {
        throw new Error(
          `Redis has not answered for ${patienceMs / 1000} s: running jobs are left to the next process that reaches it`,
        );
      }
      await delay(PING_AGAIN_MS, undefined, { signal: over.signal });
    }
  };
  const watching = gone();
  watching.catch(() => undefined); // may reject after nobody waits for it
  try {
    return await Promise.race([work, watching]);
  } finally {
    over.abort();
  }
}
