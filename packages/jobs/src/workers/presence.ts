import { setTimeout as delay } from 'node:timers/promises';
import { newId, type WorkerAnnouncement } from '@comfy-fleet/contracts';
import { takeLease } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { announceWorker, readWorkers, withdrawWorker } from './announcements.js';
import type { RedisClock } from './redis-clock.js';

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
