import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';

/** A prompt in an instance that no job wants any more. */
export interface UnwantedPrompt {
  readonly instance: string;
  readonly promptId: string;
}

/** A prompt that an instance continues to execute although it was interrupted. */
export interface HungPrompt extends UnwantedPrompt {
  /** The class or title of the executing node; null if unknown. */
  readonly node: string | null;
  /** When it was first interrupted, in ms since 1970. */
  readonly since: number;
}

/** Prompts in this worker's instances that must be stopped. This survives the process. */
export type UnwantedPrompts = ReturnType<typeof createUnwantedPrompts>;

export function createUnwantedPrompts(redis: Redis, keys: Keys, worker: string) {
  const key = keys.unwantedPrompts(worker);
  const fieldOf = ({ instance, promptId }: UnwantedPrompt) => `${instance} ${promptId}`;
  return {
    /** Sorted by instance. */
    read: () =>
      orUnavailable(async (): Promise<readonly (UnwantedPrompt | HungPrompt)[]> => {
        const found = Object.entries(await redis.hgetall(key)).sort();
        return found.map(([field, text]) => {
          const [instance = '', promptId = ''] = field.split(' ');
          return { instance, promptId, ...(text === '' ? {} : JSON.parse(text)) };
        });
      }),
    recordHung: ({ node, since, ...prompt }: HungPrompt) =>
      orUnavailable(async () => {
        const hung = JSON.stringify({ node, since });
        await redis.pipeline().hset(key, fieldOf(prompt), hung).pexpire(key, LUA_CONSTANTS.UNWANTED_LIFE_MS).exec();
      }),
    /** Call this when they were stopped or do not exist. */
    forget: (prompts: readonly UnwantedPrompt[]) =>
      orUnavailable(async () => {
        if (prompts.length > 0) await redis.hdel(key, ...prompts.map(fieldOf));
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
