import { type GenerateRequest, generateRequestSchema, type RequestLimits } from '@comfy-fleet/contracts';
import { Ajv } from 'ajv';
import { faultRule } from './fault-rule.js';
import type { Settings } from './settings-schema.js';

/** What is run on each instance before it is given jobs. */
export interface WarmUpSettings {
  readonly workflow: string;
  readonly inputs: GenerateRequest;
}

type Written = Pick<Settings, 'WARM_UP_WORKFLOW' | 'WARM_UP_INPUTS'>;

/** What of it cannot be the body of a request, so far as can be said without the workflow. */
export function warmUpFaults({ WARM_UP_WORKFLOW, WARM_UP_INPUTS }: Written, limits: RequestLimits): string[] {
  if (WARM_UP_WORKFLOW === undefined) return [];
  let inputs: unknown;
  try {
    inputs = JSON.parse(WARM_UP_INPUTS);
  } catch {
    return [`WARM_UP_INPUTS=${WARM_UP_INPUTS}: is no JSON; write the fields of a request, e.g. {"prompt":"warm up"}`];
  }
  // The schema is ours: it need not be checked.
  const ajv = new Ajv({ allErrors: true, strict: false, validateSchema: false });
  ajv.validate(generateRequestSchema(limits), inputs);
  return (ajv.errors ?? []).map((error) => {
    const { missingProperty, additionalProperty } = error.params;
    const field = missingProperty ?? additionalProperty ?? error.instancePath.slice(1);
    return `WARM_UP_INPUTS: ${[field, faultRule(error, field, {})].filter((word) => word !== '').join(' ')}`;
  });
}

/** Of settings without such faults. */
export function toWarmUp({ WARM_UP_WORKFLOW, WARM_UP_INPUTS }: Written): WarmUpSettings | undefined {
  return WARM_UP_WORKFLOW === undefined
    ? undefined
    : { workflow: WARM_UP_WORKFLOW, inputs: JSON.parse(WARM_UP_INPUTS) as GenerateRequest };
}
