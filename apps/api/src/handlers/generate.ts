import { generateRequestSchema } from '@comfy-fleet/contracts';
import type { Deps } from '../deps.js';
import type { Handler } from '../http/messages.js';
import { refuseFaults } from '../requests/refuse-faults.js';
import { createValidator } from '../requests/validator.js';
import { resolve, submitJob } from './submit-job.js';

export function generate(deps: Deps): Handler {
  const validate = createValidator(generateRequestSchema(deps.config.limits));
  return async (request) => {
    const { value, errors } = validate(request.body, { isForm: false });
    refuseFaults(errors);
    return submitJob(deps, 'text2img', await resolve(deps, 'text2img', value), value, request);
  };
}
