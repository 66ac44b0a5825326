import { newId } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';

/** The pictures that jobs start from, as files in ComfyUI's input folders; see lua/inputs.lua. */
export interface SharedInputs {
  /** The job is about to put the picture there, and has it there until it has ended. False while somebody deletes it: ask again. */
  use(sha256: string, jobId: string): Promise<boolean>;
  /** Calls `remove` unless an open job uses the picture; none can begin to before it is done. Answers whether it was called. */
  deleteUnused(sha256: string, remove: () => Promise<void>): Promise<boolean>;
}

export function createSharedInputs(redis: Redis, keys: Keys): SharedInputs {
  const run = (verb: 'use' | 'delete' | 'deleted', sha256: string, subject: string) =>
    orUnavailable(() => runScript(redis, 'inputs', keys.inputUses(sha256), [keys.prefix, sha256, 0, verb, subject]));
  return {
    use: async (sha256, jobId) => (await run('use', sha256, jobId)) === 1,
    deleteUnused: async (sha256, remove) => {
      const token = newId();
      if ((await run('delete', sha256, token)) !== 1) return false;
      try {
        await remove();
      } finally {
        await run('deleted', sha256, token);
      }
      return true;
    },
  };
}
