import { FleetError, isTerminal } from '@comfy-fleet/contracts';
import { inputName } from '@comfy-fleet/frames';
import { ownJob } from '../access/own-job.js';
import type { Deps } from '../deps.js';
import type { Handler } from '../http/messages.js';
import { atMostPriorityOf, newJob, requireAble } from '../orders/new-job.js';
import { orderJob } from '../orders/order-job.js';

/** Makes the job once more: the same parameters, the same seed, the same webhook. Answers as POST /generate does. */
export function retryJob(deps: Deps): Handler {
  return (request) =>
    orderJob(deps, request, {}, async () => {
      const { record } = await ownJob(deps, request.params.id, request.caller);
      if (!isTerminal(record.status)) {
        throw new FleetError('wrong_job_state', `The job is ${record.status}; it can be made again when it has ended.`);
      }
      const { input } = record.request;
      if (input !== undefined && !(await deps.inputs.touch(inputName(input.sha256)))) {
        throw new FleetError(
          'wrong_job_state',
          'The picture that the job started from has been deleted; send it again.',
        );
      }
      const repeated = atMostPriorityOf(record.request, request.caller);
      await requireAble(deps, repeated);
      const parent = { id: record.id, relation: 'retry' } as const;
      return newJob(deps, record.kind, repeated, { parent, callback: record.callback ?? undefined });
    });
}
