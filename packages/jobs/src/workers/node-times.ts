import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';

/** How long one execution of a node took, and how much work it had there: jobs of one version differ in size. */
export interface NodeTime {
  readonly nodeId: string;
  readonly ms: number;
  readonly work: number;
}

/** How long the nodes of a workflow's version execute, learned by all workers. */
export interface NodeTimes {
  /** By node id, the medians of the last executions: in ms, and in ms for a unit of work. */
  read(version: string): Promise<ReadonlyMap<string, { readonly ms: number; readonly msPerUnit: number }>>;
  /** They were seen to take so long. Of two workers that learn of one version at once the later one counts. */
  learn(version: string, times: readonly NodeTime[]): Promise<void>;
}

/** Executions of a node that are remembered: enough for a median that one slow run does not move. */
const REMEMBERED = 9;
const LIFE_MS = 30 * 86_400_000;

export function createNodeTimes(redis: Redis, keys: Keys): NodeTimes {
  return {
    read: async (version) => {
      const known = await orUnavailable(() => redis.hgetall(keys.nodeTimes(version)));
      return new Map(
        Object.entries(known).map(([node, text]) => {
          const times = text.split(' ').map((time) => time.split('/').map(Number) as [ms: number, work: number]);
          return [
            node,
            { ms: median(times.map(([ms]) => ms)), msPerUnit: median(times.map(([ms, work]) => ms / work)) },
          ];
        }),
      );
    },
    learn: (version, times) =>
      orUnavailable(async () => {
        if (times.length === 0) return;
        const key = keys.nodeTimes(version);
        const known = await redis.hmget(key, ...times.map(({ nodeId }) => nodeId));
        const news = times.map(({ nodeId, ms, work }, index) => {
          const before = known[index]?.split(' ') ?? [];
          return [nodeId, [...before, `${ms}/${work}`].slice(-REMEMBERED).join(' ')] as const;
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
