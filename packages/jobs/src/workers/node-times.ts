import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import type { NodeTiming } from '../record/record.js';

/** How long the nodes of a workflow's version execute, learned by all workers. */
export interface NodeTimes {
  /** By node id, in ms: the median of the last executions. */
  read(version: string): Promise<ReadonlyMap<string, number>>;
  /** They were seen to take so long. Of two workers that learn of one version at once the later one counts. */
  learn(version: string, timings: readonly NodeTiming[]): Promise<void>;
}

/** Executions of a node that are remembered: enough for a median that one slow run does not move. */
const REMEMBERED = 9;
const LIFE_MS = 30 * 86_400_000;

export function createNodeTimes(redis: Redis, keys: Keys): NodeTimes {
  return {
    read: async (version) => {
      const known = await orUnavailable(() => redis.hgetall(keys.nodeTimes(version)));
      return new Map(Object.entries(known).map(([node, times]) => [node, median(times.split(' ').map(Number))]));
    },
    learn: (version, timings) =>
      orUnavailable(async () => {
        const seen = timings.flatMap(({ nodeId, ms }) => (ms === null ? [] : [[nodeId, ms] as const]));
        if (seen.length === 0) return;
        const key = keys.nodeTimes(version);
        const known = await redis.hmget(key, ...seen.map(([node]) => node));
        const news = seen.map(([node, ms], index) => {
          const before = known[index]?.split(' ') ?? [];
          return [node, [...before, `${ms}`].slice(-REMEMBERED).join(' ')] as const;
        });
        await redis.pipeline().hset(key, Object.fromEntries(news)).pexpire(key, LIFE_MS).exec();
      }),
  };
}

/** Of at least one number; of two in the middle the lower one. */
function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}
