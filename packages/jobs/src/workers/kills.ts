import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** Deaths and wedges of instances while they executed jobs of one key and workflow. */
export interface Kills {
  readonly key: string;
  readonly workflow: string;
  /** In ms since 1970, the oldest first. */
  readonly times: readonly number[];
}

/**
 * When instances died, fell silent or were wedged in the last hour while they executed own graphs of API keys, and when
 * jobs of published workflows with files of theirs ended since several had died or fallen silent.
 */
export async function readKills(redis: Redis, keys: Keys): Promise<readonly Kills[]> {
  const found = await redis.zrange(keys.kills, '0', '-1', 'WITHSCORES');
  const kills = new Map<string, Kills>();
  for (let at = 0; at + 1 < found.length; at += 2) {
    const [, what = '', workflow = '', key = ''] = /^\S+ ((\S+) (.*))$/s.exec(found[at] as string) ?? [];
    kills.set(what, { key, workflow, times: [...(kills.get(what)?.times ?? []), Number(found[at + 1])] });
  }
  return [...kills.values()];
}
