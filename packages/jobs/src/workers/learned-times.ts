import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';

/**
 * How long model files take to load, learned by all workers together, because the disks and networks of a fleet are
 * mostly alike.
 */
export type SharedLoadTimes = ReturnType<typeof createSharedLoadTimes>;

/** Weight of the newest load in the moving average, as in lua/shared/execution.lua. */
const NEWEST = 0.3;
const MOST_FIELDS = 1000;
const LIFE_MS = 30 * 86_400_000;

/** If two workers learn about a file at once, the later one wins; the next load corrects it. */
export function createSharedLoadTimes(redis: Redis, keys: Keys) {
  const key = keys.loadTimes;
  return {
    /** Loading times in ms, by file. */
    read: async (): Promise<ReadonlyMap<string, number>> => {
      const all = await orUnavailable(() => redis.hgetall(key));
      return new Map(Object.entries(all).map(([file, ms]) => [file, Number(ms)]));
    },
    /** Learns from one load of the file. Returns the expected ms from now on. */
    learn: (file: string, ms: number) =>
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

/** How long one execution of a node took, and how much work that was: jobs of one version differ in size. */
export interface NodeTime {
  readonly nodeId: string;
  readonly ms: number;
  readonly work: number;
}

/** How long the nodes of a version of a workflow take, learned by all workers together. */
export type NodeTimes = ReturnType<typeof createNodeTimes>;

/** How many executions of a node are kept: enough for a median that one slow run does not move. */
const REMEMBERED = 9;
/** How many versions are kept. Beyond that, a random one is forgotten: every new graph of a caller is a version. */
const MOST_VERSIONS = 1000;
/** How many nodes of a version are kept: the slowest ones. */
const MOST_NODES = 100;
const MOST_ID_CHARS = 100;

export function createNodeTimes(redis: Redis, keys: Keys) {
  /** Node id → its last executions as `<ms>/<work>`. */
  const known = async (version: string) =>
    new Map(JSON.parse((await redis.hget(keys.nodeTimes, version)) ?? '[]') as [string, string][]);
  return {
    /** The medians of the last executions by node id: in ms, and in ms per unit of work. */
    read: async (version: string) => {
      const times = [...(await orUnavailable(() => known(version)))].map(([node, text]) => {
        const last = text.split(' ').map((time) => time.split('/').map(Number) as [ms: number, work: number]);
        const ms = median(last.map(([ms]) => ms));
        return [node, { ms, msPerUnit: median(last.map(([ms, work]) => ms / work)) }] as const;
      });
      return new Map(times);
    },
    /** Learns from one execution. If two workers learn about a version at once, the later one wins. */
    learn: (version: string, times: readonly NodeTime[]) =>
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

/** The median of at least one number; the lower one if there are two. */
export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)] ?? 0;
}
