import { startRedisSentinels, until } from '@comfy-fleet/testing';
import type { Scope } from '../../lib/scope.js';
import { type TrialRedis, WHOLE_FILE } from '../stack/stack.js';

const REPLICAS = 2;

/** A primary, its replicas and the Sentinels that watch them. */
export interface RedundantRedis extends TrialRedis {
  /** SIGKILL. Resolves when it is dead. */
  killPrimary(): Promise<void>;
  /** Starts the killed one again: it follows its successor. */
  restartKilled(): Promise<void>;
  /** Resolves when the Sentinels name another, to the time at which they were seen to. */
  promoted(): Promise<number>;
  /** Looks which one is the primary now: on a machine that is busy enough Sentinels take a slow one for dead, too. */
  look(): Promise<void>;
  /** How often another one was seen to be the primary. */
  readonly failovers: number;
}

/** Starts them all; `dir` is the primary's. Since the replicas follow from the beginning, the file of each of them tells the whole run. */
export async function startRedundantRedis(scope: Scope): Promise<RedundantRedis> {
  const redis = await startRedisSentinels({ replicas: REPLICAS, args: WHOLE_FILE });
  scope.onClose(() => redis.close());
  const first = await redis.primary();
  let primary = first;
  let failovers = 0;
  const look = async () => {
    const now = await redis.primary();
    if (now !== primary) failovers += 1;
    primary = now;
  };
  return {
    env: {
      REDIS_SENTINELS: redis.nodes.map(({ host, port }) => `${host}:${port}`).join(','),
      REDIS_SENTINEL_NAME: redis.name,
      REDIS_WAIT_REPLICAS: `${REPLICAS}`,
    },
    get dir() {
      return primary.dir;
    },
    killPrimary: () => first.stop('SIGKILL'),
    restartKilled: () => first.restart(),
    promoted: async () => {
      const isAnother = async () => {
        await look();
        return primary !== first;
      };
      await until('a replica is the primary', isAnother, { withinMs: 30_000, everyMs: 20 });
      return Date.now();
    },
    look,
    get failovers() {
      return failovers;
    },
  };
}
