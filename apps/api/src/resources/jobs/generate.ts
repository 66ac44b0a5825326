import { generateRequestSchema } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { pictureLimits, pictureSpec } from '../../orders/job-specs.js';
import { orderJob } from '../../orders/order-job.js';
import { knownCaller } from '../../server/caller.js';
import type { Handler } from '../../server/messages.js';
import { createLimitedValidator, refuseFaults } from '../../server/validator.js';

export function generate(deps: Deps): Handler {
  const validate = createLimitedValidator(generateRequestSchema);
  return async (request) => {
    const caller = knownCaller(request.caller);
    const { value, errors } = validate(pictureLimits(deps, 'text2img', caller))(request.body, { isForm: false });
    refuseFaults(errors);
    return orderJob(deps, request, value, () => pictureSpec(deps, 'text2img', value));
  };
}
