import { runRequestSchema } from '@comfy-fleet/contracts';
import { limitsFor } from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import { checkedInputs } from '../../orders/checked-inputs.js';
import { createInputsCheck } from '../../orders/inputs-check.js';
import { callbackOf } from '../../orders/new-job.js';
import { orderJob } from '../../orders/order-job.js';
import { runBody } from '../../orders/run-body.js';
import { workflowJob } from '../../orders/workflow-job.js';
import { knownCaller } from '../../server/caller.js';
import type { Handler } from '../../server/messages.js';
import { requireMayRun } from '../../server/rights.js';
import { createValidator, refuseFaults } from '../../server/validator.js';
import { catalogueFor } from '../../workflows/catalogue-for.js';
import { findServed } from '../../workflows/find-served.js';
import { findVersionToRun } from '../../workflows/find-version.js';

/** Runs a workflow with named inputs; files come by reference, or with a form under their inputs' names. */
export function runWorkflow(deps: Deps): Handler {
  const fields = runRequestSchema(deps.config.limits);
  const validate = createValidator(fields);
  const check = createInputsCheck();
  return async (request) => {
    const caller = knownCaller(request.caller);
    const { name = '' } = request.params;
    const { order, own } = runBody(request, fields);
    const newest = Object(order).version === undefined ? findServed(deps.workflows, name, caller).workflow : undefined;
    requireMayRun(caller, { name });
    const { value, errors } = validate(order, request);
    refuseFaults(errors);
    const { version = '' } = value;
    const workflow = newest ?? (await findVersionToRun(deps, { name, version, caller }));
    const callback = callbackOf(value, caller, deps.webhookRefusal);
    const catalogue = await catalogueFor(deps, workflow);
    const inputs = checkedInputs(check, workflow, {
      catalogue,
      limits: limitsFor(deps.config.limits, workflow, caller.gpuLimits),
      inputs: { ...value.inputs, ...own },
      sent: request.files.map(({ field }) => field),
      isForm: request.isForm,
    });
    const digests = request.files.map(({ field, file }) => [field, file.digest] as const);
    const wish = { ...value, inputs: { ...inputs, ...Object.fromEntries(digests) } };
    return orderJob(deps, request, wish, () =>
      workflowJob(deps, { workflow, catalogue, order: value, inputs, callback }, request),
    );
  };
}
