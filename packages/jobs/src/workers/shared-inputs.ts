import { newId } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';

/** The files that jobs start from, in ComfyUI's input folders, by their digests; see lua/inputs.lua. */
export interface SharedInputs {
  /** The job is about to put the file there, and has it there until it has ended. False while somebody deletes it: ask again. */
  use(digest: string, jobId: string): Promise<boolean>;
  /** Calls `remove` unless an open job uses the file; none can begin to before it is done. Answers whether it was called. */
  deleteUnused(digest: string, remove: () => Promise<void>): Promise<boolean>;
}

export function createSharedInputs(redis: Redis, keys: Keys): SharedInputs {
  const run = (verb: 'use' | 'delete' | 'deleted', digest: string, subject: string) =>
    orUnavailable(() => runScript(redis, 'inputs', keys.inputUses(digest), [keys.prefix, digest, 0, verb, subject]));
  return {
    use: async (digest, jobId) => (await run('use', digest, jobId)) === 1,
    deleteUnused: async (digest, remove) => {
      const token = newId();
      if ((await run('delete', digest, token)) !== 1) return false;
      try {
        await remove();
      } finally {
        await run('deleted', digest, token);
      }
      return true;
    },
  };
}
