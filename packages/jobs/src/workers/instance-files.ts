import { createHmac, randomBytes } from 'node:crypto';
import { FleetError, newId } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';

/**
 * What a job's files are called on an instance, where the nodes of other keys' graphs could open them by name. Nobody
 * can guess these names without the fleet's secret; workers can always derive them again.
 */
export interface InstanceNames {
  /** Of an input file. Two keys that send the same content have two files. */
  input(key: string, storedName: string): string;
  /** What the names of all files that a submission writes begin with. */
  outputPrefix(promptId: string): string;
}

const SECRET_BYTES = 32;

/** Draws the fleet's secret if there is none yet. */
export async function readInstanceNames(redis: Redis, keys: Keys): Promise<InstanceNames> {
  const drawn = randomBytes(SECRET_BYTES).toString('hex');
  await orUnavailable(() => redis.set(keys.nameSecret, drawn, 'NX'));
  const secret = await orUnavailable(() => redis.get(keys.nameSecret));
  if (secret === null) throw new FleetError('queue_unavailable', 'Redis lost the secret of file names.');
  const nameOf = (...parts: readonly string[]) => createHmac('sha256', secret).update(parts.join('\n')).digest('hex');
  return {
    input: (key, storedName) => {
      const dot = storedName.indexOf('.');
      return nameOf('input', key, storedName.slice(0, dot)) + storedName.slice(dot);
    },
    outputPrefix: (promptId) => nameOf('output', promptId),
  };
}

/**
 * The files that jobs start from, in ComfyUI's input folders, by their names there without extension; see
 * lua/inputs.lua.
 */
export interface SharedInputs {
  /**
   * The job is about to put the file there, and has it there until it has ended. False while somebody deletes it: ask
   * again.
   */
  use(name: string, jobId: string): Promise<boolean>;
  /**
   * Calls `remove` unless an open job uses the file; none can begin to before it is done. Answers whether it was
   * called.
   */
  deleteUnused(name: string, remove: () => Promise<void>): Promise<boolean>;
}

export function createSharedInputs(redis: Redis, keys: Keys): SharedInputs {
  const run = (verb: 'use' | 'delete' | 'deleted', name: string, subject: string) =>
    orUnavailable(() => runScript(redis, 'inputs', keys.inputUses(name), keys.prefix, { name, verb, subject }));
  return {
    use: async (name, jobId) => (await run('use', name, jobId)) === 1,
    deleteUnused: async (name, remove) => {
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
