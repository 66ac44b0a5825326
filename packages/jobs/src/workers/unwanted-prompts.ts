import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';

/** Longer than an operator leaves a GPU in this state. */
const WEDGED_LIFE_MS = 30 * 86_400_000;

/** A submission that no job wants any more, but that may still be in an instance. */
export interface AbandonedPrompt {
  readonly instance: string;
  readonly promptId: string;
}

/** A prompt that an instance continues to execute although it was interrupted. */
export interface HungPrompt {
  readonly instance: string;
  readonly promptId: string;
  /** The class or title of the executing node; null if unknown. */
  readonly node: string | null;
  /** When it was first interrupted, in ms since 1970. */
  readonly since: number;
}

/** Prompts in this worker's instances that must be stopped, or that did not stop. This survives the process. */
export type UnwantedPrompts = ReturnType<typeof createUnwantedPrompts>;

export function createUnwantedPrompts(redis: Redis, keys: Keys, worker: string) {
  const [abandoned, wedged] = [keys.abandoned(worker), keys.hungPrompts(worker)];
  return {
    abandoned: async (): Promise<readonly AbandonedPrompt[]> => {
      const members = await redis.smembers(abandoned);
      return members.map((member) => {
        const [instance = '', promptId = ''] = member.split(' ');
        return { instance, promptId };
      });
    },
    /** Call this when they were stopped or do not exist. */
    forgetAbandoned: async (prompts: readonly AbandonedPrompt[]): Promise<void> => {
      const members = prompts.map(({ instance, promptId }) => `${instance} ${promptId}`);
      if (members.length > 0) await redis.srem(abandoned, ...members);
    },
    /** Hung prompts sorted by instance, as recorded by this process or an earlier one. */
    hungPrompts: () =>
      orUnavailable(async (): Promise<readonly HungPrompt[]> => {
        const noted = await redis.hgetall(wedged);
        return Object.entries(noted)
          .sort()
          .map(([instance, text]) => ({ instance, ...(JSON.parse(text) as Omit<HungPrompt, 'instance'>) }));
      }),
    recordHung: ({ instance, ...about }: HungPrompt) =>
      orUnavailable(async () => {
        await redis.pipeline().hset(wedged, instance, JSON.stringify(about)).pexpire(wedged, WEDGED_LIFE_MS).exec();
      }),
    forgetHung: (instance: string) =>
      orUnavailable(async () => {
        await redis.hdel(wedged, instance);
      }),
  };
}

/**
 * Kills: how often instances died or hung while they executed jobs of one key and workflow; see lua/shared/kills.lua.
 */
export interface Kills {
  readonly key: string;
  readonly workflow: string;
  /** How many times such jobs of the key had to rest. */
  readonly rests: number;
  /** Until when such jobs of the key rest, in ms since 1970. Before the first rest: the time of the last kill. */
  readonly until: number;
}

export async function readKills(redis: Redis, keys: Keys): Promise<readonly Kills[]> {
  return Object.entries(await redis.hgetall(keys.kills)).map(([what, json]) => {
    const [, workflow = '', key = ''] = /^(\S+) (.*)$/s.exec(what) ?? [];
    const { rests, until } = JSON.parse(json) as { rests: number; until: number };
    return { key, workflow, rests, until };
  });
}
