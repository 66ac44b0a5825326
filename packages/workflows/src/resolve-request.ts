import { randomBytes } from 'node:crypto';
import {
  DEFAULT_POOL,
  type FieldError,
  FleetError,
  type GenerateRequest,
  type Img2ImgRequest,
  type InputImage,
  type JobKind,
  MAX_SEED,
  OVERRIDES,
  parseSeed,
  type RequestLimits,
  type ResolvedRequest,
} from '@comfy-fleet/contracts';
import type { Parameter } from './bindings.js';
import type { Workflows } from './load-workflows.js';
import { sizeFor } from './sizes.js';
import type { Template } from './template.js';

export interface RequestToResolve {
  readonly kind: JobKind;
  /** Name of the template; by default that of the kind. */
  readonly workflow?: string;
  /** Valid against the kind's schema in contracts. */
  readonly request: GenerateRequest | Img2ImgRequest;
  /** The picture to start from; needed for img2img. */
  readonly input?: InputImage;
  readonly randomSeed: () => string;
  readonly limits: RequestLimits;
}

/**
 * Gives every parameter its final value: the request's own, else the profile's, else the template's. Throws a
 * FleetError `validation_failed`, one entry per fault, for what the schema cannot say.
 */
export function resolveRequest(asked: RequestToResolve, workflows: Workflows): ResolvedRequest {
  const { kind, workflow = kind, request, limits } = asked;
  const template = workflows.templates.get(workflow);
  if (template === undefined) throw new FleetError('internal_error', `There is no workflow ${workflow}.`);
  const lod = request.lod ?? 'mid';
  const profile = workflows.profiles[lod];
  const { slots, distilledGuidance } = template.bindings;
  const { defaults } = template;
  const takes = (parameter: Parameter): boolean => slots[parameter].length > 0;

  const faults = [...refusals(template, request), ...metadataFaults(request, limits)];
  const seed = request.seed === undefined ? drawnSeed(asked, template) : parseSeed(request.seed);
  if (seed === undefined) faults.push({ pointer: '/seed', detail: seedFault(request.seed) });
  const size = sizeFor(asked, template.defaults.size, profile.scale);
  if (size === undefined) faults.push({ pointer: '/image', detail: 'is required: the picture to start from' });
  if (faults.length > 0 || seed === undefined || size === undefined) throw refused(faults);
  const overrides = OVERRIDES.filter((name) => request[name] !== undefined);

  return {
    workflow: template.name,
    prompt: request.prompt,
    negativePrompt: request.negative_prompt ?? defaults.negativePrompt,
    lod,
    steps: request.steps ?? (takes('steps') ? profile.steps : defaults.steps),
    cfg: request.cfg ?? (takes('cfg') && !distilledGuidance ? profile.cfg : defaults.cfg),
    sampler: request.sampler ?? (takes('sampler_name') ? profile.sampler : defaults.sampler),
    scheduler: request.scheduler ?? (takes('scheduler') ? profile.scheduler : defaults.scheduler),
    seed,
    width: size.width,
    height: size.height,
    count: request.count ?? 1,
    checkpoint: request.checkpoint ?? defaults.checkpoint,
    denoise: denoiseFor(kind, request, takes('denoise') ? profile.denoise : defaults.denoise),
    priority: request.priority ?? 0,
    metadata: request.metadata ?? {},
    ...(overrides.length === 0 ? {} : { overrides }),
    ...(kind === 'img2img' && asked.input !== undefined ? { input: asked.input } : {}),
  };
}

const FIELDS = {
  negative_prompt: 'negative_prompt',
  seed: 'seed',
  steps: 'steps',
  cfg: 'cfg',
  sampler: 'sampler_name',
  scheduler: 'scheduler',
  denoise: 'denoise',
  width: 'width',
  height: 'height',
  checkpoint: 'checkpoint',
} as const satisfies Readonly<Record<string, Parameter>>;

/** Fields that the caller set and the workflow has no place for; an empty negative prompt asks for nothing. */
function refusals(template: Template, request: GenerateRequest | Img2ImgRequest): FieldError[] {
  const written: Readonly<Record<string, unknown>> = request;
  const { slots, repeatAt } = template.bindings;
  const single = slots.count.length === 0 && repeatAt === undefined && (request.count ?? 1) > 1;
  return Object.entries(FIELDS)
    .filter(([field, parameter]) => {
      const value = written[field];
      return value !== undefined && value !== '' && slots[parameter].length === 0;
    })
    .map(([field]) => field)
    .concat(single ? ['count'] : [])
    .map((field) => ({
      pointer: `/${field}`,
      detail: `has no place in the workflow ${template.name}; leave it out`,
    }));
}

function metadataFaults({ metadata }: GenerateRequest, { maxMetadataBytes }: RequestLimits): FieldError[] {
  if (metadata === undefined) return [];
  const bytes = Buffer.byteLength(JSON.stringify(metadata));
  if (bytes <= maxMetadataBytes) return [];
  return [{ pointer: '/metadata', detail: `must have at most ${maxMetadataBytes} bytes as JSON; this has ${bytes}` }];
}

function drawnSeed({ randomSeed }: RequestToResolve, template: Template): string {
  return template.bindings.slots.seed.length > 0 ? randomSeed() : template.defaults.seed;
}

function seedFault(seed: number | string | undefined): string {
  return typeof seed === 'number' && seed > Number.MAX_SAFE_INTEGER
    ? `is too large for a JSON number (above ${Number.MAX_SAFE_INTEGER}); write it as a string`
    : `must be a whole number from 0 to 2^64−1 (${MAX_SEED})`;
}

function denoiseFor(kind: JobKind, request: GenerateRequest | Img2ImgRequest, fallback: number): number {
  if (kind === 'text2img') return 1;
  return 'denoise' in request && request.denoise !== undefined ? request.denoise : fallback;
}

/** The pool that runs a job: the workflow's own, since nowhere else it may fit, else its level of detail's. */
export function poolFor({ workflow, lod }: ResolvedRequest, { templates, profiles }: Workflows): string {
  return templates.get(workflow)?.pool ?? profiles[lod].pool ?? DEFAULT_POOL;
}

/**
 * A seed drawn evenly from 0…2^53−1, in decimal digits. Not from all 2^64, so that every caller can send the reported
 * seed again as a plain JSON number.
 */
export function randomSeed(): string {
  return (randomBytes(8).readBigUInt64BE() >> 11n).toString();
}

function refused(faults: readonly FieldError[]): FleetError {
  const detail = faults.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; ');
  return new FleetError('validation_failed', `${detail}.`, { errors: faults });
}
