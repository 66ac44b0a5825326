import { generateRequestSchema } from '@comfy-fleet/contracts';
import { knownCaller } from '../access/caller.js';
import type { Deps } from '../deps.js';
import type { Handler } from '../http/messages.js';
import { callbackOf, pictureJob } from '../orders/new-job.js';
import { orderJob } from '../orders/order-job.js';
import { createValidator, refuseFaults } from '../requests/validator.js';

export function generate(deps: Deps): Handler {
  const validate = createValidator(generateRequestSchema(deps.config.limits));
  return async (request) => {
    const caller = knownCaller(request.caller);
    const { value, errors } = validate(request.body, { isForm: false });
    refuseFaults(errors);
    const callback = callbackOf(value, caller, deps.webhookRefusal);
    return orderJob(deps, request, value, async () => {
      const { start_within_seconds } = value;
      return pictureJob(deps, 'text2img', value, { caller, start_within_seconds, callback });
    });
  };
}
