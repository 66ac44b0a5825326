import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';

/** Longer than anybody leaves a GPU like that. */
const WEDGED_LIFE_MS = 30 * 86_400_000;

/** A submission that may still be in an instance although no job wants it any more. */
export interface AbandonedPrompt {
  readonly instance: string;
  readonly promptId: string;
}

/** An instance that goes on executing what it was told to stop. */
export interface HungPrompt {
  readonly instance: string;
  readonly promptId: string;
  /** What it executes, a node's class or title; null when nobody saw it begin. */
  readonly node: string | null;
  /** ms since 1970 at which it was first interrupted in vain. */
  readonly since: number;
}

/** What is to be stopped in this worker's instances, and what did not stop; it outlives the process. */
export interface UnwantedPrompts {
  abandoned(): Promise<readonly AbandonedPrompt[]>;
  /** They were stopped, or are not there. */
  forgetAbandoned(prompts: readonly AbandonedPrompt[]): Promise<void>;
  /** By the names of the instances, as this process or one before it has noted them. */
  hungPrompts(): Promise<readonly HungPrompt[]>;
  recordHung(wedge: HungPrompt): Promise<void>;
  forgetHung(instance: string): Promise<void>;
}

export function createUnwantedPrompts(redis: Redis, keys: Keys, worker: string): UnwantedPrompts {
  const [abandoned, wedged] = [keys.abandoned(worker), keys.hungPrompts(worker)];
  return {
    abandoned: async () => {
      const members = await redis.smembers(abandoned);
      return members.map((member) => {
        const [instance = '', promptId = ''] = member.split(' ');
        return { instance, promptId };
      });
    },
    forgetAbandoned: async (prompts) => {
      const members = prompts.map(({ instance, promptId }) => `${instance} ${promptId}`);
      if (members.length > 0) await redis.srem(abandoned, ...members);
    },
    hungPrompts: () =>
      orUnavailable(async () => {
        const noted = await redis.hgetall(wedged);
        return Object.entries(noted)
          .sort()
          .map(([instance, text]) => ({ instance, ...(JSON.parse(text) as Omit<HungPrompt, 'instance'>) }));
      }),
    recordHung: ({ instance, ...about }) =>
      orUnavailable(async () => {
        await redis.pipeline().hset(wedged, instance, JSON.stringify(about)).pexpire(wedged, WEDGED_LIFE_MS).exec();
      }),
    forgetHung: (instance) =>
      orUnavailable(async () => {
        await redis.hdel(wedged, instance);
      }),
  };
}
