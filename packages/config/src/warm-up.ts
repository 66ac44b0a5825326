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
import type { RawConfig } from './schema/config-schema.js';

/** The request that each instance runs before it gets jobs. */
export interface WarmUpSettings {
  readonly workflow: string;
  /** The body of POST /generate for text2img and img2img, else that of POST /workflows/:name. */
  readonly body: GenerateRequest | RunRequest;
}

export type RunRequest = Static<ReturnType<typeof runRequestSchema>>;

type Written = RawConfig['worker']['warmUp'];

/** Errors in the body of the request, as far as they show without the workflow. */
export function warmUpFaults({ workflow, inputs }: Written, limits: RequestLimits): string[] {
  if (workflow === undefined || inputs === undefined) return [];
  let body: unknown;
  try {
    body = JSON.parse(inputs);
  } catch {
    const example = isOfPictures(workflow) ? '{"prompt":"warm up"}' : '{"inputs":{"prompt":"warm up"}}';
    return [`WARM_UP_INPUTS=${inputs}: is not valid JSON; write the body of a request, e.g. ${example}`];
  }
  const schema = isOfPictures(workflow) ? generateRequestSchema(limits) : runRequestSchema(limits);
  // The schema is ours, so it needs no check.
  const ajv = new Ajv({ allErrors: true, strict: false, validateSchema: false });
  ajv.validate(schema, body);
  return (ajv.errors ?? []).map((error) => {
    const { missingProperty, additionalProperty } = error.params;
    const field = missingProperty ?? additionalProperty ?? error.instancePath.slice(1);
    return `WARM_UP_INPUTS: ${[field, faultRule(error, field, {})].filter((word) => word !== '').join(' ')}`;
  });
}

/** Converts valid settings. */
export function toWarmUp({ workflow, inputs }: Written): WarmUpSettings | undefined {
  if (workflow === undefined) return undefined;
  const usual = isOfPictures(workflow) ? { prompt: 'warm up', lod: 'sketch' as const } : {};
  const body = inputs === undefined ? usual : (JSON.parse(inputs) as WarmUpSettings['body']);
  return { workflow, body };
}

function isOfPictures(workflow: string): boolean {
  return PICTURE_KINDS.some((kind) => kind === workflow);
}
