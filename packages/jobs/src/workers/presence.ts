import { setTimeout as delay } from 'node:timers/promises';
import { type InstanceAnnouncement, isInService, newId, type WorkerAnnouncement } from '@comfy-fleet/contracts';
import { type RedisClock, redisTime, takeLease } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import type { Halts } from './halts.js';

/** How often a process checks whether the previous one of its name has ended. */
const NAME_RETRY_MS = 200;

export interface PresenceOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly worker: string;
  /** How long an announcement counts. */
  readonly lifeMs: number;
  /** Updated with each announcement. */
  readonly clock: RedisClock;
  readonly log: Logger;
}

/** The presence of this worker in the fleet. */
export function createPresence({ redis, keys, worker, lifeMs, clock, log }: PresenceOptions) {
  // Two processes of one name would treat each other's jobs as their own.
  const process = newId();
  const name = keys.lease('worker', worker);
  const isNameInUse = async () => {
    const [, subscribers] = await redis.pubsub('NUMSUB', keys.workerChannel(worker));
    return Number(subscribers) > 0 && (await redis.exists(name)) === 1;
  };
  const hasName = () => takeLease(redis, name, process, lifeMs);

  return {
    /**
     * Takes the worker's name for this process. Waits while another live process has it. Call this once, before claiming
     * anything.
     */
    takeName: async (signal: AbortSignal): Promise<void> => {
      // The connection of a dead process closes at once; if its host died, its lease expires.
      for (let isLogged = false; await isNameInUse(); await delay(NAME_RETRY_MS, undefined, { signal })) {
        if (!isLogged)
          log.warn('another worker with this name is still running; waiting for it to end', { name: worker });
        isLogged = true;
      }
      await redis.set(name, process, 'PX', lifeMs);
    },
    /** Announces the worker. Returns false, and announces nothing, if another process has taken the name since. */
    announce: async (announcement: WorkerAnnouncement) => {
      if (!(await hasName())) return false;
      await clock.set();
      await redis.hset(keys.workers, announcement.name, `${clock.now() + lifeMs} ${JSON.stringify(announcement)}`);
      return true;
    },
    /** Removes this worker from the list and gives up its name, unless another process has taken it since. */
    withdraw: async (): Promise<void> => {
      if (!(await hasName())) return;
      await redis.pipeline().hdel(keys.workers, worker).del(name).exec();
    },
    /** The live workers of the fleet, including this one. */
    workers: () => readWorkers(redis, keys),
  };
}

/** The workers with a current announcement, by name. Forgets the others. */
export async function readWorkers(redis: Redis, keys: Keys): Promise<readonly WorkerAnnouncement[]> {
  const [now, texts] = await Promise.all([redisTime(redis), redis.hgetall(keys.workers)]);
  const entries = Object.entries(texts).sort(([a], [b]) => (a < b ? -1 : 1));
  const isLive = ([, text]: (typeof entries)[number]) => Number.parseInt(text, 10) > now;
  const gone = entries.filter((entry) => !isLive(entry)).map(([name]) => name);
  if (gone.length > 0) await redis.hdel(keys.workers, ...gone);
  return entries.filter(isLive).map(([, text]) => JSON.parse(text.slice(text.indexOf(' '))) as WorkerAnnouncement);
}

/** The ports of all live workers and their instances. */
export async function readPorts(redis: Redis, keys: Keys): Promise<readonly number[]> {
  return (await readWorkers(redis, keys)).flatMap(({ ports }) => ports);
}

/** The instances that serve the pool, whatever their state. */
export function instancesServing(workers: readonly WorkerAnnouncement[], pool: string): InstanceAnnouncement[] {
  return workers.flatMap(({ instances }) => instances.filter(({ pools }) => pools.includes(pool)));
}

/**
 * The instances of one pool, or of all pools, that get work: they are up or occupied and not drained, and their workers
 * are not stopping.
 */
export function instancesAtWork(workers: readonly WorkerAnnouncement[], halts: Halts, pool?: string) {
  return workers
    .filter(({ draining }) => !draining)
    .flatMap(({ instances }) => instances)
    .filter(({ pools }) => pool === undefined || pools.includes(pool))
    .filter((instance) => isInService(instance) && !halts.instances.has(instance.name));
}
