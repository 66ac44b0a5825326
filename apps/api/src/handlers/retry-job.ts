import { FleetError, filesOf, isTerminal } from '@comfy-fleet/contracts';
import { knownCaller } from '../access/caller.js';
import { ownJob } from '../access/own-job.js';
import type { Deps } from '../deps.js';
import type { Handler } from '../http/messages.js';
import { ableJob } from '../orders/new-job.js';
import { orderJob } from '../orders/order-job.js';
import { workflowOf } from '../orders/workflow-of.js';

/** Makes the job once more: the same parameters, the same seed, the same webhook. Answers as POST /generate does. */
export function retryJob(deps: Deps): Handler {
  return (request) =>
    orderJob(deps, request, {}, async () => {
      const { record } = await ownJob(deps, request.params.id, request.caller);
      if (!isTerminal(record.status)) {
        throw new FleetError('wrong_job_state', `The job is ${record.status}; it can be made again when it has ended.`);
      }
      for (const [input, { name, kind }] of filesOf(record.request)) {
        if (await deps.inputs.touch(name)) continue;
        const what = kind === 'image' ? 'picture' : 'file';
        const gone = `The ${what} that the job started from${record.kind === 'workflow' ? ` (${input})` : ''} has been deleted; send it again.`;
        throw new FleetError('wrong_job_state', gone);
      }
      const workflow = await workflowOf(deps, record.request);
      const parent = { id: record.id, relation: 'retry' } as const;
      const callback = record.callback ?? undefined;
      return ableJob(deps, workflow, record.request, { caller: knownCaller(request.caller), parent, callback });
    });
}
