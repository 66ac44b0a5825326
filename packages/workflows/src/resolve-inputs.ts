import {
  type FieldError,
  FleetError,
  type InputValue,
  isInputFile,
  type Lod,
  MAX_SEED,
  OVERRIDES,
  parseSeed,
  type RequestLimits,
  type ResolvedRequest,
} from '@comfy-fleet/contracts';
import { type Catalogue, hasClass, inputSpec } from './describe/catalogue.js';
import { isMedia } from './describe/widget.js';
import { isModelFile, linkFault, nodeAt } from './graph.js';
import type { LodProfile } from './lod-profiles.js';
import { MAX_NESTED_CHARS, nestedChars } from './rights/text-growth.js';
import { type Size, sizeFor } from './sizes.js';
import { suggest } from './wording.js';
import type { Workflow, WorkflowInput } from './workflow.js';

export interface InputsToResolve {
  readonly workflow: Workflow;
  readonly profiles: Readonly<Record<Lod, LodProfile>>;
  /**
   * Undefined: inputs that the request omits are as in the graph, except those set by the workflow's own profile "mid".
   * A graph tuned for four steps must not get eighteen unless a request names a level.
   */
  readonly lod: Lod | undefined;
  /** By name; seeds as numbers or strings of digits. */
  readonly inputs: Readonly<Record<string, InputValue>>;
  /** The node classes of the instances that may get it, if known. */
  readonly catalogue?: Catalogue | undefined;
  /** The shape of a graph that is run once; see openGraph. */
  readonly shape?: string | undefined;
  /** Names of outputs. */
  readonly outputs?: readonly string[] | undefined;
  readonly priority?: number | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** The JSON pointer of an input in the request's body. */
  readonly pointer: (input: string) => string;
  readonly randomSeed: () => string;
  readonly limits: RequestLimits;
}

/**
 * Gives every input its final value: the request's, else the profile's, else the workflow's. Throws a FleetError
 * `validation_failed` with one entry per error that no schema can express.
 */
export function resolveInputs(asked: InputsToResolve): ResolvedRequest {
  const { workflow, lod = 'mid', outputs, metadata = {} } = asked;
  const known = new Map(workflow.inputs.map((input) => [input.name, input]));
  const faults = [...misplaced(asked, known), ...outputFaults(asked), ...metadataFaults(asked)];
  const preset = presetOf(asked);
  const inputs: Record<string, InputValue> = {};
  const set = (name: string, input: WorkflowInput | undefined) => {
    const value = finalValue(asked, name, { input, preset: preset[name] });
    if (typeof value === 'object' && 'fault' in value)
      faults.push({ pointer: asked.pointer(name), detail: value.fault });
    else if (value !== undefined) inputs[name] = value;
  };
  for (const input of workflow.inputs) set(input.name, input);
  for (const name of Object.keys(preset)) if (!known.has(name)) set(name, undefined);
  if (faults.length > 0) throw refused(faults);
  const given = Object.keys(asked.inputs);
  const overrides = workflow.kind === 'workflow' ? given : OVERRIDES.filter((name) => given.includes(name));
  return {
    workflow: workflow.name,
    version: workflow.version,
    lod,
    ...(asked.lod === undefined && workflow.profiles.mid === undefined ? { asSaved: true } : {}),
    inputs,
    ...(overrides.length === 0 ? {} : { overrides }),
    ...(asked.catalogue === undefined || asked.shape !== undefined
      ? {}
      : { choices: decidingInputs(workflow, inputs, asked.catalogue) }),
    ...(asked.shape === undefined ? {} : { shape: asked.shape }),
    ...(outputs === undefined ? {} : { outputs }),
    priority: asked.priority ?? 0,
    metadata,
  };
}

function finalValue(
  asked: InputsToResolve,
  name: string,
  { input, preset }: { readonly input: WorkflowInput | undefined; readonly preset: InputValue | undefined },
): InputValue | undefined | { readonly fault: string } {
  const givenTo = (one: string) => (Object.hasOwn(asked.inputs, one) ? asked.inputs[one] : undefined);
  const given = givenTo(name);
  if (input?.type === 'seed' || name === 'seed') {
    const followed = input?.follows === undefined ? undefined : givenTo(input.follows);
    const isSet = input === undefined || input.default !== undefined;
    const seed = parseSeed((given ?? followed ?? (isSet ? preset : asked.randomSeed())) as number | string);
    if (seed !== undefined) return seed;
    // The error is reported for the seed that it follows.
    return given === undefined && followed !== undefined ? undefined : { fault: seedFault(given) };
  }
  const value = given ?? preset;
  // Lists are wrapped in the graph, and objects may be wrapped already.
  const fault = typeof value === 'object' ? linkFault({ __value__: value }) : undefined;
  if (fault !== undefined) return { fault: 'must not be a link' };
  if (isInputFile(value) && input !== undefined && !isMedia(input.type)) return { fault: 'takes no file' };
  if (typeof given === 'string' && nestedChars(given) > MAX_NESTED_CHARS)
    return { fault: 'nests too much in parentheses: remove some' };
  if (value !== undefined || input === undefined) return value;
  return (input.required ?? isMedia(input.type)) ? { fault: requiredFault(asked, name) } : undefined;
}

function requiredFault({ workflow }: InputsToResolve, name: string): string {
  return name === 'image' && workflow.kind === 'img2img' ? 'is required: the input picture' : 'is required';
}

/** The workflow's values, or those of the level of detail within the limits. */
function presetOf(asked: InputsToResolve): Readonly<Record<string, InputValue | undefined>> {
  const { workflow, profiles, lod, limits } = asked;
  const { kind, bindings, defaults, startsFromPicture } = workflow;
  const named = lod === undefined ? {} : profiles[lod];
  const profile: Partial<LodProfile> = { ...named, ...workflow.profiles[lod ?? 'mid'] };
  const { slots, distilledGuidance } = bindings;
  // No level adds guidance to a graph without it (cfg 1, as for distilled models).
  const isUnguided = distilledGuidance || (kind === 'workflow' && defaults.cfg === 1);
  const values = {
    steps: slots.steps.length > 0 ? atMost(limits.maxSteps, profile.steps) : undefined,
    cfg: slots.cfg.length > 0 && !isUnguided ? atMost(limits.maxCfg, profile.cfg) : undefined,
    sampler: slots.sampler_name.length > 0 ? profile.sampler : undefined,
    scheduler: slots.scheduler.length > 0 ? profile.scheduler : undefined,
    denoise: slots.denoise.length > 0 && startsFromPicture ? profile.denoise : undefined,
    ...(kind === 'text2img' ? { denoise: 1 } : {}),
    ...sized(asked, profile.scale),
  };
  const preset: Record<string, InputValue> = { ...defaults };
  for (const [name, value] of Object.entries(values)) if (value !== undefined) preset[name] = value;
  return preset;
}

function atMost(limit: number, value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.min(limit, value);
}

/** The size of the picture; the request may set one side or both. */
function sized({ workflow, inputs, limits }: InputsToResolve, scale: number | undefined): Partial<Size> {
  const { kind, bindings, defaults, startsFromPicture } = workflow;
  const { width, height } = defaults;
  const base = typeof width === 'number' && typeof height === 'number' ? { width, height } : undefined;
  const picture = startsFromPicture ? pictureOf(inputs.image) : undefined;
  if (kind === 'workflow') {
    const isSized = bindings.slots.width.length > 0 && bindings.slots.height.length > 0;
    if (scale === undefined || base === undefined || !isSized) return {};
  }
  const request = { width: lengthOf(inputs.width), height: lengthOf(inputs.height) };
  return sizeFor({ request, picture, startsFromPicture, limits }, base, scale ?? 1) ?? {};
}

function pictureOf(value: InputValue | undefined): Size | undefined {
  if (!isInputFile(value) || value.width === undefined || value.height === undefined) return undefined;
  return { width: value.width, height: value.height };
}

function lengthOf(value: InputValue | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

/** How many unknown names an error explains: each is compared with all that there are. */
const MOST_UNKNOWN = 10;

/** Errors for inputs that the workflow does not have; an empty text requests nothing. */
function misplaced(
  { workflow, inputs, pointer }: InputsToResolve,
  known: ReadonlyMap<string, WorkflowInput>,
): FieldError[] {
  const { name: called, kind, bindings } = workflow;
  const repeats = (value: unknown) => kind !== 'workflow' && (bindings.repeatAt !== undefined || value === 1);
  return Object.keys(inputs)
    .filter((name) => {
      const value = inputs[name];
      return !known.has(name) && value !== '' && !(name === 'count' && repeats(value));
    })
    .slice(0, MOST_UNKNOWN)
    .map((name) => {
      const names = [...known.keys()];
      const detail =
        kind === 'workflow'
          ? `is not an input of the workflow ${called}${suggest(name, names)} (its inputs: ${names.join(', ') || 'none'})`
          : `has no place in the workflow ${called}; leave it out`;
      return { pointer: pointer(name), detail };
    });
}

function outputFaults({ workflow, outputs = [] }: InputsToResolve): FieldError[] {
  const known = workflow.outputs.map(({ name }) => name);
  const unknown = [...outputs.entries()].filter(([, name]) => !known.includes(name));
  return unknown.slice(0, MOST_UNKNOWN).map(([index, name]) => {
    const detail = `is not an output of the workflow ${workflow.name}${suggest(name, known)} (its outputs: ${known.join(', ')})`;
    return { pointer: `/outputs/${index}`, detail };
  });
}

function metadataFaults({ metadata, limits: { maxMetadataBytes } }: InputsToResolve): FieldError[] {
  if (metadata === undefined) return [];
  const bytes = Buffer.byteLength(JSON.stringify(metadata));
  if (bytes <= maxMetadataBytes) return [];
  return [{ pointer: '/metadata', detail: `must have at most ${maxMetadataBytes} bytes as JSON; this has ${bytes}` }];
}

function seedFault(seed: unknown): string {
  return typeof seed === 'number' && seed > Number.MAX_SAFE_INTEGER
    ? `is too large for a JSON number (above ${Number.MAX_SAFE_INTEGER}); write it as a string`
    : `must be a whole number from 0 to 2^64−1 (${MAX_SEED})`;
}

function refused(faults: readonly FieldError[]): FleetError {
  const detail = faults.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; ');
  return new FleetError('validation_failed', `${detail}.`, { errors: faults });
}

/** Longest names of models and options, in characters and words. */
const MOST_CHARS = 256;
const MOST_WORDS = 4;

/**
 * Names of the inputs whose values determine which instances can run a request: models and options. For node classes
 * that are not in the catalogue, values that look like the name of an option.
 */
function decidingInputs(
  { graph, inputs: known }: Workflow,
  inputs: Readonly<Record<string, InputValue>>,
  catalogue: Catalogue,
): string[] {
  const isChosen = (name: string, value: InputValue) =>
    known
      .find((one) => one.name === name)
      ?.slots.some(({ node, input }) => {
        const className = nodeAt(graph, node).class_type;
        return hasClass(catalogue, className)
          ? inputSpec(catalogue, className, input)?.type === 'COMBO'
          : mayBeOption(name, value);
      });
  return Object.entries(inputs)
    .filter(([name, value]) => !isInputFile(value) && (isModelFile(value) || isChosen(name, value)))
    .map(([name]) => name);
}

/**
 * Whether it may be the name of a model, sampler or other option, rather than a seed or a sentence that differs between
 * jobs.
 */
export function mayBeOption(name: string, value: InputValue): boolean {
  if (name === 'prompt' || name === 'negative_prompt' || typeof value !== 'string') return false;
  if (['checkpoint', 'sampler', 'scheduler'].includes(name)) return true;
  const isShort = value.length <= MOST_CHARS && value.split(' ').length <= MOST_WORDS;
  return isShort && !/^\d*$|\s{2}|\n|[,.!?]\s/.test(value);
}
