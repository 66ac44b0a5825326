import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';

/** How long model files take to load, learned by all workers: the disks and networks of a fleet are mostly alike. */
export interface SharedLoadTimes {
  /** By file, in ms. */
  read(): Promise<ReadonlyMap<string, number>>;
  /** It was seen to take so many ms. Answers what is expected from now on. */
  learn(file: string, ms: number): Promise<number>;
}

/** Weight of the newest load, as in lua/shared/learn.lua. */
const NEWEST = 0.3;
const MOST_FIELDS = 1000;
const LIFE_MS = 30 * 86_400_000;

/** Of two workers that learn of one file at once the later one counts; the next load tells again. */
export function createSharedLoadTimes(redis: Redis, keys: Keys): SharedLoadTimes {
  const key = keys.loadTimes;
  return {
    read: async () => {
      const all = await orUnavailable(() => redis.hgetall(key));
      return new Map(Object.entries(all).map(([file, ms]) => [file, Number(ms)]));
    },
    learn: (file, ms) =>
      orUnavailable(async () => {
        const [known, count] = await Promise.all([redis.hget(key, file), redis.hlen(key)]);
        if (known === null && count >= MOST_FIELDS) {
          const forgotten = await redis.hrandfield(key);
          if (typeof forgotten === 'string') await redis.hdel(key, forgotten);
        }
        const before = known === null ? ms : Number(known);
        const average = Math.round(before + NEWEST * (ms - before));
        await redis.pipeline().hset(key, file, average).pexpire(key, LIFE_MS).exec();
        return average;
      }),
  };
}

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
/** Versions that are remembered; of more, any is forgotten. Every new graph of a caller is one. */
const MOST_VERSIONS = 1000;
/** Nodes of a version: those that took longest. */
const MOST_NODES = 100;
const MOST_ID_CHARS = 100;

export function createNodeTimes(redis: Redis, keys: Keys): NodeTimes {
  /** Node id → its last executions as `<ms>/<work>`. */
  const known = async (version: string) =>
    new Map(JSON.parse((await redis.hget(keys.nodeTimes, version)) ?? '[]') as [string, string][]);
  return {
    read: async (version) => {
      const times = [...(await orUnavailable(() => known(version)))].map(([node, text]) => {
        const last = text.split(' ').map((time) => time.split('/').map(Number) as [ms: number, work: number]);
        const ms = median(last.map(([ms]) => ms));
        return [node, { ms, msPerUnit: median(last.map(([ms, work]) => ms / work)) }] as const;
      });
      return new Map(times);
    },
    learn: (version, times) =>
      orUnavailable(async () => {
        const slowest = times.filter(({ nodeId }) => nodeId.length <= MOST_ID_CHARS).sort((a, b) => b.ms - a.ms);
        if (slowest.length === 0) return;
        const before = await known(version);
        const now = slowest.slice(0, MOST_NODES).map(({ nodeId, ms, work }) => {
          const last = before.get(nodeId)?.split(' ') ?? [];
          before.delete(nodeId);
          return [nodeId, [...last, `${ms}/${work}`].slice(-REMEMBERED).join(' ')] as const;
        });
        const text = JSON.stringify([...now, ...before].slice(0, MOST_NODES));
        await redis.pipeline().hset(keys.nodeTimes, version, text).pexpire(keys.nodeTimes, LIFE_MS).exec();
        if ((await redis.hlen(keys.nodeTimes)) <= MOST_VERSIONS) return;
        await redis.hdel(keys.nodeTimes, (await redis.hrandfield(keys.nodeTimes)) as string);
      }),
  };
}

/** Of at least one number; of two in the middle the lower one. */
function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}
