import { createHmac, randomBytes } from 'node:crypto';
import { FleetError, newId } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';

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

/**
 * Input files in ComfyUI's input folders, which jobs may share, by their names there without extension; see
 * lua/inputs.lua.
 */
export type SharedInputs = ReturnType<typeof createSharedInputs>;

export function createSharedInputs(redis: Redis, keys: Keys) {
  const run = (verb: 'use' | 'delete' | 'deleted', name: string, subject: string) =>
    orUnavailable(() => runScript(redis, 'inputs', keys.inputUses(name), keys.prefix, { name, verb, subject }));
  return {
    /**
     * Records that the job uses the file until it ends; call this before putting the file there. False while a worker
     * deletes the file: try again.
     */
    use: async (name: string, jobId: string) => (await run('use', name, jobId)) === 1,
    /**
     * Calls `remove` unless an open job uses the file. No job can start to use it before `remove` is done. Returns
     * whether it was called.
     */
    deleteUnused: async (name: string, remove: () => Promise<void>) => {
      const token = newId();
      if ((await run('delete', name, token)) !== 1) return false;
      try {
        await remove();
      } finally {
        await run('deleted', name, token);
      }
      return true;
    },
  };
}
