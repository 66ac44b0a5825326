import { pauseQuerySchema } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import type { Handler } from '../../server/messages.js';
import { createQueryReader } from '../../server/query-reader.js';
import { adminStatus } from './admin-status.js';
import { changeHalt } from './change-halt.js';

/** What operators have halted, since when, and by which key. */
export function getAdmin({ ledger: { fleet } }: Deps): Handler {
  return async () => ({ status: 200, body: adminStatus(await fleet.overview()) });
}

/** Has all workers claim nothing new, or go on: of one pool, or of the whole fleet. Jobs are accepted all the same. */
export function pauseFleet(deps: Deps, action: 'pause' | 'resume'): Handler {
  const read = createQueryReader(pauseQuerySchema);
  return changeHalt(deps, action, ({ query }) => {
    const { pool } = read(query);
    return pool === undefined ? { kind: 'fleet' } : { kind: 'pool', name: pool };
  });
}

/**
 * Has one instance be given no more prompts, or take jobs again. Its name is `<worker>/<n>`: two segments of the path, or
 * one in which the slash is encoded.
 */
export function drainInstance(deps: Deps, action: 'drain' | 'resume'): Handler {
  return changeHalt(deps, action, ({ params: { instance, worker, n } }) => ({
    kind: 'instance',
    name: instance ?? `${worker}/${n}`,
  }));
}
