import { FleetError, graphRequestSchema } from '@comfy-fleet/contracts';
import Type from 'typebox';
import type { Deps } from '../../deps.js';
import { graphSpec } from '../../orders/job-specs.js';
import { orderJob } from '../../orders/order-job.js';
import { knownCaller } from '../../server/caller.js';
import type { Handler } from '../../server/messages.js';
import { createValidator, refuseFaults } from '../../server/validator.js';

/** Runs a graph of the caller's own once, as it is. */
export function runGraph(deps: Deps): Handler {
  const { graph: _exact, ...fields } = graphRequestSchema(deps.config.limits).properties;
  const validate = createValidator(Type.Object(fields, { additionalProperties: false }));
  return async (request) => {
    const caller = knownCaller(request.caller);
    const { body } = request;
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw new FleetError('validation_failed', 'The body must be an object.');
    }
    const { graph, ...rest } = body as Readonly<Record<string, unknown>>;
    const { value, errors } = validate(rest, { isForm: false });
    refuseFaults(graph === undefined ? [...errors, { pointer: '/graph', detail: 'is required' }] : errors);
    const wish = { ...value, graph };
    return orderJob(deps, request, wish, async () => ({ ...value, ...(await graphSpec(deps, graph, caller)) }));
  };
}
