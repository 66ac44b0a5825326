import { orAborted } from '@comfy-fleet/contracts';
import { REDIS_BUCKETS } from './buckets.js';
import { every } from './every.js';
import type { Logger } from './logger.js';
import type { Metrics } from './metrics.js';

interface RedisWatch {
  readonly metrics: Metrics;
  /** Resolves when Redis has answered, on a connection of the process's work. */
  readonly ping: (signal: AbortSignal) => Promise<unknown>;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly everyMs?: number;
}

const PING_MS = 5000;
/** Longer than REDIS_TIMEOUT_MS; Redis is as good as away then. */
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
  const look = async () => {
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
  return every(everyMs, 'pinging Redis', look, { signal, log });
}

/** Not every ping obeys its signal. */
async function within(ms: number, ping: RedisWatch['ping']): Promise<void> {
  const late = AbortSignal.timeout(ms);
  await orAborted(ping(late), late);
}
