import { setTimeout as delay } from 'node:timers/promises';
import { type InstanceAnnouncement, isInService, newId, type WorkerAnnouncement } from '@comfy-fleet/contracts';
import { type RedisClock, takeLease } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import type { Halts } from './halts.js';

/** How often it is looked whether the process that has our name has ended. */
const NAME_RETRY_MS = 200;

/** This worker among those of the fleet. */
export interface Presence {
  /**
   * This process is the one of its name from now on. Waits while another one lives that has it. To be called once,
   * before anything is claimed.
   */
  takeName(signal: AbortSignal): Promise<void>;
  /** Answers false, and says nothing, when another process has taken the name since. */
  announce(announcement: WorkerAnnouncement): Promise<boolean>;
  /** Takes this worker out of the list and gives back its name, unless another process has taken that since. */
  withdraw(): Promise<void>;
  /** The live workers of the fleet, this one included. */
  workers(): Promise<readonly WorkerAnnouncement[]>;
}

export interface PresenceOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly worker: string;
  /** How long an announcement counts. */
  readonly lifeMs: number;
  /** Is set with each announcement. */
  readonly clock: RedisClock;
  readonly log: Logger;
}

export function createPresence({ redis, keys, worker, lifeMs, clock, log }: PresenceOptions): Presence {
  // Two processes of one name would take each other's jobs for their own.
  const process = newId();
  const name = keys.workerName(worker);
  const isNameInUse = async () => {
    const [, subscribers] = await redis.pubsub('NUMSUB', keys.workerChannel(worker));
    return Number(subscribers) > 0 && (await redis.exists(name)) === 1;
  };
  const hasName = () => takeLease(redis, name, process, lifeMs);

  return {
    takeName: async (signal) => {
      // A dead one's connection is closed at once, or if its host died its lease lapses.
      for (let said = false; await isNameInUse(); await delay(NAME_RETRY_MS, undefined, { signal })) {
        if (!said) log.warn('another worker of this name still runs; waiting until it has ended', { name: worker });
        said = true;
      }
      await redis.set(name, process, 'PX', lifeMs);
    },
    announce: async (announcement) => {
      if (!(await hasName())) return false;
      await clock.set();
      await announceWorker(redis, keys, announcement, { lifeMs, now: clock.now() });
      return true;
    },
    withdraw: async () => {
      if (!(await hasName())) return;
      await withdrawWorker(redis, keys, worker);
      await redis.del(name);
    },
    workers: () => readWorkers(redis, keys),
  };
}

/** How long a worker that went silent keeps its place in the list of names. */
const NAMES_LIFE_MS = 60_000;

/**
 * Says that the worker lives and what it does. It is forgotten after `lifeMs` unless said again; `now` is Redis' time.
 */
async function announceWorker(
  redis: Redis,
  keys: Keys,
  announcement: WorkerAnnouncement,
  { lifeMs, now }: { lifeMs: number; now: number },
): Promise<void> {
  await redis
    .pipeline()
    .set(keys.worker(announcement.name), JSON.stringify(announcement), 'PX', lifeMs)
    .zadd(keys.workers, now, announcement.name)
    .zremrangebyscore(keys.workers, 0, now - NAMES_LIFE_MS)
    .exec();
}

/** Takes a worker that stops out of the list. */
async function withdrawWorker(redis: Redis, keys: Keys, name: string): Promise<void> {
  await redis.pipeline().del(keys.worker(name)).zrem(keys.workers, name).exec();
}

/** The workers that announced themselves lately, by name. */
export async function readWorkers(redis: Redis, keys: Keys): Promise<WorkerAnnouncement[]> {
  const names = (await redis.zrange(keys.workers, '0', '-1')).sort();
  if (names.length === 0) return [];
  const texts = await redis.mget(names.map((name) => keys.worker(name)));
  return texts.filter((text) => text !== null).map((text) => JSON.parse(text) as WorkerAnnouncement);
}

/** The ports of all live workers and their instances. */
export async function readPorts(redis: Redis, keys: Keys): Promise<readonly number[]> {
  return (await readWorkers(redis, keys)).flatMap(({ ports }) => ports);
}

/** The instances that take jobs of the pool, whatever their state. */
export function instancesServing(workers: readonly WorkerAnnouncement[], pool: string): InstanceAnnouncement[] {
  return workers.flatMap(({ instances }) => instances.filter(({ pools }) => pools.includes(pool)));
}

/**
 * Instances, of one pool or of all, that are given work: up or occupied, not drained, and their workers are not
 * stopping.
 */
export function instancesAtWork(workers: readonly WorkerAnnouncement[], halts: Halts, pool?: string) {
  return workers
    .filter(({ draining }) => !draining)
    .flatMap(({ instances }) => instances)
    .filter(({ pools }) => pool === undefined || pools.includes(pool))
    .filter((instance) => isInService(instance) && !halts.instances.has(instance.name));
}
