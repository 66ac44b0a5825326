import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** Deaths and wedges of instances while they executed jobs of one key and workflow, see lua/shared/kills.lua. */
export interface Kills {
  readonly key: string;
  readonly workflow: string;
  /** Times that they rested. */
  readonly count: number;
  /** Until then such jobs of the key rest, ms since 1970. After one kill: when that was. */
  readonly until: number;
}

export async function readKills(redis: Redis, keys: Keys): Promise<readonly Kills[]> {
  return Object.entries(await redis.hgetall(keys.kills)).map(([what, json]) => {
    const [, workflow = '', key = ''] = /^(\S+) (.*)$/s.exec(what) ?? [];
    const { prompts, until } = JSON.parse(json) as { prompts: readonly string[]; until: number };
    return { key, workflow, count: prompts.length - 1, until };
  });
}
