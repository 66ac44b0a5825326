import { createHmac, randomBytes } from 'node:crypto';
import { FleetError, isTerminal, type JobStatus, newId } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { commit, orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';

/**
 * Names of a job's files on an instance, where nodes in other keys' graphs could open them by name. They cannot be
 * guessed without the fleet's secret, but workers can always derive them again.
 */
export type InstanceNames = Awaited<ReturnType<typeof readInstanceNames>>;

const SECRET_BYTES = 32;
/** Enough that no two names are ever equal. */
const MODEL_CHARS = 32;

/** Creates the fleet's secret if there is none yet. */
export async function readInstanceNames(redis: Redis, keys: Keys) {
  const created = randomBytes(SECRET_BYTES).toString('hex');
  await orUnavailable(() => redis.hsetnx(keys.secrets, 'names', created));
  const secret = await orUnavailable(() => redis.hget(keys.secrets, 'names'));
  if (secret === null) throw new FleetError('queue_unavailable', 'Redis lost the secret of file names.');
  const nameOf = (...parts: readonly string[]) => createHmac('sha256', secret).update(parts.join('\n')).digest('hex');
  return {
    /** The name of an input file. Two keys that send the same content have two files. */
    input: (key: string, storedName: string) => {
      const dot = storedName.indexOf('.');
      return nameOf('input', key, storedName.slice(0, dot)) + storedName.slice(dot);
    },
    /** The prefix of all files that a submission writes. */
    outputPrefix: (promptId: string) => nameOf('output', promptId),
    /** Names the model of a key by its source and hash. */
    model: (...parts: readonly string[]) => nameOf('model', ...parts).slice(0, MODEL_CHARS),
  };
}

/** How long a deletion blocks the file. It takes much less time. */
const DELETING_MS = 30_000;

/** Input files in ComfyUI's input folders, which jobs of all workers may share, by their names there without extension. */
export type SharedInputs = ReturnType<typeof createSharedInputs>;

export function createSharedInputs(redis: Redis, keys: Keys) {
  const isUsed = async (name: string) => {
    const jobs = await redis.smembers(keys.inputUses(name));
    const statuses = await Promise.all(jobs.map((job) => redis.hget(keys.job(job), 'status')));
    const ended = jobs.filter((_, n) => !statuses[n] || isTerminal(statuses[n] as JobStatus));
    if (ended.length > 0) await redis.srem(keys.inputUses(name), ...ended);
    return ended.length < jobs.length;
  };
  return {
    /**
     * Records that the job uses the file until it ends; call this before putting the file there. False while a worker
     * deletes the file: try again.
     */
    use: (name: string, jobId: string) =>
      orUnavailable(() =>
        commit(
          redis,
          keys,
          [[['GET', keys.lease('input', name)], null]],
          [
            ['SADD', keys.inputUses(name), jobId],
            ['PEXPIRE', keys.inputUses(name), LUA_CONSTANTS.USES_LIFE_MS],
          ],
        ),
      ),
    /**
     * Calls `remove` unless an open job uses the file. No job can start to use it before `remove` is done. Returns
     * whether it was called.
     */
    deleteUnused: async (name: string, remove: () => Promise<void>) => {
      const [deleting, token] = [keys.lease('input', name), newId()];
      if (!(await orUnavailable(() => redis.set(deleting, token, 'PX', DELETING_MS, 'NX')))) return false;
      try {
        if (await orUnavailable(() => isUsed(name))) return false;
        await remove();
        return true;
      } finally {
        await orUnavailable(() => commit(redis, keys, [[['GET', deleting], token]], [['DEL', deleting]]));
      }
    },
  };
}
