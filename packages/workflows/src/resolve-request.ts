import { randomBytes } from 'node:crypto';
import {
  DEFAULT_POOL,
  type GenerateRequest,
  type Img2ImgRequest,
  type InputFile,
  type InputValue,
  LODS,
  type Lod,
  PICTURE_FIELDS,
  type RequestLimits,
  type ResolvedRequest,
} from '@comfy-fleet/contracts';
import type { Workflows } from './load-workflows.js';
import type { LodProfile } from './lod-profiles.js';
import { resolveInputs } from './resolve-inputs.js';
import type { Workflow } from './workflow.js';

export interface RequestToResolve {
  readonly workflow: Workflow;
  readonly profiles: Readonly<Record<Lod, LodProfile>>;
  /** Valid according to its schema in contracts. */
  readonly request: GenerateRequest | Img2ImgRequest;
  /** The input picture, required for img2img. */
  readonly input?: InputFile | undefined;
  readonly randomSeed: () => string;
  readonly limits: RequestLimits;
}

/** Resolves a request of POST /generate or /img2img for its workflow; errors point at its fields. */
export function resolveRequest(asked: RequestToResolve): ResolvedRequest {
  const { workflow, profiles, request, input, randomSeed, limits } = asked;
  return resolveInputs({
    workflow,
    profiles,
    lod: request.lod ?? 'mid',
    inputs: pictureInputs(request, input),
    priority: request.priority,
    metadata: request.metadata,
    pointer: (name) => `/${name}`,
    randomSeed,
    limits,
  });
}

/** The workflow inputs of a request of POST /generate or /img2img, with the input picture. */
export function pictureInputs(
  request: RequestToResolve['request'],
  picture: InputFile | undefined,
): Readonly<Record<string, InputValue>> {
  const written: Readonly<Record<string, unknown>> = request;
  const inputs: Record<string, InputValue> = {};
  for (const name of PICTURE_FIELDS) {
    if (written[name] !== undefined) inputs[name] = written[name] as InputValue;
  }
  if (picture !== undefined) inputs.image = picture;
  return inputs;
}

/**
 * The pool that runs a job: the workflow's own, because others may lack what it needs, else that of its level of
 * detail.
 */
export function poolFor(workflow: Workflow | undefined, lod: Lod, profiles: Readonly<Record<Lod, LodProfile>>): string {
  return workflow?.pool ?? workflow?.profiles[lod]?.pool ?? profiles[lod].pool ?? DEFAULT_POOL;
}

/**
 * The longest time that the job may execute, in ms: the workflow's own limit if it has one, else `most` seconds. For
 * text2img and img2img, the level's limit counts if it is lower. The limit of the key always applies.
 */
export function deadlineMs(
  workflow: Workflow | undefined,
  { lod, maxGpuSeconds = Number.POSITIVE_INFINITY }: Pick<ResolvedRequest, 'lod' | 'maxGpuSeconds'>,
  { profiles, most }: { readonly profiles: Readonly<Record<Lod, LodProfile>>; readonly most: number },
): number {
  const { deadlineSeconds, profiles: own, kind } = workflow ?? {};
  const usual = kind === 'workflow' ? most : Math.min(most, profiles[lod].deadlineSeconds);
  return Math.min(own?.[lod]?.deadlineSeconds ?? deadlineSeconds ?? usual, maxGpuSeconds) * 1000;
}

/**
 * A uniformly random seed from 0…2^53−1, in decimal digits. Not from all 2^64, so that callers can send the reported
 * seed again as a plain JSON number.
 */
export function randomSeed(): string {
  return (randomBytes(8).readBigUInt64BE() >> 11n).toString();
}

/** The pools that may get jobs of the workflow, at any level of detail. */
export function poolsOf(workflow: Workflow, profiles: Workflows['profiles']): string[] {
  return [...new Set(LODS.map((lod) => poolFor(workflow, lod, profiles)))];
}
