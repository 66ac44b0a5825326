import {
  type GenerateRequest,
  generateRequestSchema,
  PICTURE_KINDS,
  type RequestLimits,
  runRequestSchema,
} from '@comfy-fleet/contracts';
import { Ajv } from 'ajv';
import type { Static } from 'typebox';
import { faultRule } from './fault-rule.js';
import type { Settings } from './settings-schema.js';

/** What is run on each instance before it is given jobs. */
export interface WarmUpSettings {
  readonly workflow: string;
  /** The body of POST /generate for text2img and img2img, else that of POST /workflows/:name. */
  readonly body: GenerateRequest | RunRequest;
}

export type RunRequest = Static<ReturnType<typeof runRequestSchema>>;

type Written = Pick<Settings, 'WARM_UP_WORKFLOW' | 'WARM_UP_INPUTS'>;

/** What of it cannot be the body of a request, so far as can be said without the workflow. */
export function warmUpFaults({ WARM_UP_WORKFLOW, WARM_UP_INPUTS }: Written, limits: RequestLimits): string[] {
  if (WARM_UP_WORKFLOW === undefined || WARM_UP_INPUTS === undefined) return [];
  let body: unknown;
  try {
    body = JSON.parse(WARM_UP_INPUTS);
  } catch {
    const example = isOfPictures(WARM_UP_WORKFLOW) ? '{"prompt":"warm up"}' : '{"inputs":{"prompt":"warm up"}}';
    return [`WARM_UP_INPUTS=${WARM_UP_INPUTS}: is no JSON; write the body of a request, e.g. ${example}`];
  }
  const schema = isOfPictures(WARM_UP_WORKFLOW) ? generateRequestSchema(limits) : runRequestSchema(limits);
  // The schema is ours: it need not be checked.
  const ajv = new Ajv({ allErrors: true, strict: false, validateSchema: false });
  ajv.validate(schema, body);
  return (ajv.errors ?? []).map((error) => {
    const { missingProperty, additionalProperty } = error.params;
    const field = missingProperty ?? additionalProperty ?? error.instancePath.slice(1);
    return `WARM_UP_INPUTS: ${[field, faultRule(error, field, {})].filter((word) => word !== '').join(' ')}`;
  });
}

/** Of settings without such faults. */
export function toWarmUp({ WARM_UP_WORKFLOW, WARM_UP_INPUTS }: Written): WarmUpSettings | undefined {
  if (WARM_UP_WORKFLOW === undefined) return undefined;
  const usual = isOfPictures(WARM_UP_WORKFLOW) ? { prompt: 'warm up', lod: 'sketch' as const } : {};
  const body = WARM_UP_INPUTS === undefined ? usual : (JSON.parse(WARM_UP_INPUTS) as WarmUpSettings['body']);
  return { workflow: WARM_UP_WORKFLOW, body };
}

function isOfPictures(workflow: string): boolean {
  return PICTURE_KINDS.some((kind) => kind === workflow);
}
