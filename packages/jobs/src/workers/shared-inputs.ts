import { newId } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';

/** The files that jobs start from, in ComfyUI's input folders, by their names there without extension; see lua/inputs.lua. */
export interface SharedInputs {
  /** The job is about to put the file there, and has it there until it has ended. False while somebody deletes it: ask again. */
  use(name: string, jobId: string): Promise<boolean>;
  /** Calls `remove` unless an open job uses the file; none can begin to before it is done. Answers whether it was called. */
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
