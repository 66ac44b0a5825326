import {
  type FieldError,
  FleetError,
  filesOf,
  isTerminal,
  parseSeed,
  type ResolvedRequest,
  retryQuerySchema,
} from '@comfy-fleet/contracts';
import { randomSeed, seedsOf } from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import { ownJob } from '../../files/ownership.js';
import { requireStorageShare } from '../../files/storage.js';
import { workflowOf } from '../../orders/job-specs.js';
import { orderJob } from '../../orders/order-job.js';
import { pointersOf } from '../../orders/pointers.js';
import { knownCaller } from '../../server/caller.js';
import type { Handler } from '../../server/messages.js';
import { createQueryReader } from '../../server/validator.js';

/**
 * Makes the job once more: the same parameters, the same webhook, the same seed unless the query has another. Answers as
 * POST /generate does.
 */
export function retryJob(deps: Deps): Handler {
  const read = createQueryReader(retryQuerySchema);
  return (request) => {
    const wish = read(request.query);
    return orderJob(deps, request, wish, async () => {
      const { record } = await ownJob(deps, request.params.id, request.caller);
      if (!isTerminal(record.status)) {
        throw new FleetError('wrong_job_state', `The job is ${record.status}; it can be made again when it has ended.`);
      }
      const files = filesOf(record.request);
      if (files.length > 0) await requireStorageShare(deps, knownCaller(request.caller));
      for (const [input, { name, kind }] of files) {
        if (await deps.inputs.touch(name)) continue;
        const what = kind === 'image' ? 'picture' : 'file';
        const gone = `The ${what} that the job started from${record.kind === 'workflow' ? ` (${input})` : ''} has been deleted; send it again.`;
        throw new FleetError('wrong_job_state', gone);
      }
      const workflow = await workflowOf(deps, record.request);
      const parent = { id: record.id, relation: 'retry' } as const;
      const again = wish.seed === undefined ? record.request : withSeed(record.request, wish.seed, seedsOf(workflow));
      return { workflow, resolved: again, parent, callback: record.callback, pointers: pointersOf(workflow) };
    });
  };
}

/** Throws validation_failed when the job has no seed, or the seed is no seed. */
function withSeed(request: ResolvedRequest, asked: string, names: readonly string[]): ResolvedRequest {
  if (request.inputs.seed === undefined) throw refused('the job has no seed');
  const seeds = names.map((name) => {
    const seed = asked === 'random' ? randomSeed() : parseSeed(asked);
    if (seed === undefined) throw refused('must be at most 18446744073709551615');
    return [name, seed];
  });
  return { ...request, inputs: { ...request.inputs, ...Object.fromEntries(seeds) } };
}

function refused(detail: string): FleetError {
  const errors: FieldError[] = [{ pointer: '/seed', detail }];
  return new FleetError('validation_failed', `/seed ${detail}.`, { errors });
}
