import { pauseQuerySchema } from '@comfy-fleet/contracts';
import { changeHalt } from '../admin/change-halt.js';
import type { Deps } from '../deps.js';
import type { Handler } from '../http/messages.js';
import { createQueryReader } from '../requests/query-reader.js';

/** Has all workers claim nothing new, or go on: of one pool, or of the whole fleet. Jobs are accepted all the same. */
export function pauseFleet(deps: Deps, action: 'pause' | 'resume'): Handler {
  const read = createQueryReader(pauseQuerySchema);
  return changeHalt(deps, action, ({ query }) => {
    const { pool } = read(query);
    return pool === undefined ? { kind: 'fleet' } : { kind: 'pool', name: pool };
  });
}
