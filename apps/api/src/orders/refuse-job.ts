import { hash } from 'node:crypto';
import {
  type FieldError,
  type FileKind,
  FleetError,
  filesOf,
  type InstanceAbilities,
  type RequestLimits,
  type ResolvedRequest,
} from '@comfy-fleet/contracts';
import type { MediaKind } from '@comfy-fleet/frames';
import {
  basisOfDemand,
  bindGraph,
  type Catalogue,
  faultsBeyond,
  fileWidget,
  forbiddenParts,
  GRAPH,
  type GraphFault,
  gpuDemand,
  graphFaults,
  isOutputClass,
  type LimitFault,
  type LoadedMedia,
  latentOfBytes,
  linkedNumberFaults,
  modelKindAt,
  previewFaults,
  type Workflow,
  withFileWidgets,
} from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import { Undecodable } from '../decoding/children.js';
import type { Measured } from '../decoding/measure.js';
import type { Deps } from '../deps.js';
import type { KeyOffers } from '../models/offers.js';
import { fieldError, fieldsError, MOST_FAULTS } from '../server/field-errors.js';
import type { Caller } from '../server/gate.js';
import { faultAt, type Pointers } from './pointers.js';
import { nearestLacks } from './waiting-for.js';

/** How many names an error lists; an instance may have thousands of LoRAs. */
const MOST_LISTED = 100;

/** What the rules need to know besides the job. */
interface Judging {
  readonly caller: Caller;
  /** The node classes as the instances that may run the job describe them. */
  readonly described: Catalogue | undefined;
  readonly pointers: Pointers;
}

/**
 * Throws `no_able_instance`, listing the alternatives, when every known instance lacks something that the job needs. While no
 * instance is known, the job is accepted, since a suitable one may still start.
 */
export function refuseImpossible(
  workflow: Workflow,
  request: ResolvedRequest,
  pool: string,
  known: readonly InstanceAbilities[],
  pointers: Pointers,
): void {
  const lacks = nearestLacks(
    workflow,
    request,
    known.map(({ abilities }) => abilities),
  );
  // Reports what the most suitable instance lacks, and offers the choices of all instances.
  const [nearest] = lacks;
  if (nearest === undefined) return;
  const choicesAt = new Map<string, Set<string>>();
  const placeOf = ({ className, input }: (typeof nearest)[number]) => JSON.stringify([className, input]);
  for (const ofOne of lacks) {
    // The lacks of an instance at one place have the same choices.
    for (const lack of new Map(ofOne.map((one) => [placeOf(one), one])).values()) {
      const known = choicesAt.get(placeOf(lack)) ?? new Set();
      if (lack.input !== undefined) for (const choice of lack.choices) known.add(choice);
      choicesAt.set(placeOf(lack), known);
    }
  }
  const errors = nearest.slice(0, MOST_FAULTS).map((lack): FieldError => {
    const { node, className, input } = lack;
    const pointer = pointers.node(node, input);
    if (lack.input === undefined) {
      const detail = `the workflow ${workflow.name} needs the node ${className}, which no instance of the pool ${pool} has`;
      return { pointer, detail };
    }
    const choices = [...(choicesAt.get(placeOf(lack)) ?? [])];
    const more = choices.length > MOST_LISTED ? ` and ${choices.length - MOST_LISTED} more` : '';
    const there = choices.length === 0 ? 'none' : `${choices.slice(0, MOST_LISTED).join(', ')}${more}`;
    const detail = `"${lack.value}" is on no instance of the pool ${pool}; there is ${there}`;
    if (lack.setBy !== undefined) return { pointer: pointers.input(lack.setBy), detail };
    if (pointer !== '') return { pointer, detail };
    return { pointer, detail: `${input} of ${className} in the workflow ${workflow.name}: ${detail}` };
  });
  throw fieldsError('no_able_instance', errors);
}

/** Throws validation_failed for nodes and inputs that a caller's own graph may not contain. Published workflows may. */
export function refuseNodes(
  { allowedNodes: allowed }: Deps,
  workflow: Workflow,
  { caller: { allowNodes, denyNodes }, described, pointers }: Judging,
): void {
  if (workflow.name !== GRAPH || (allowNodes === undefined && denyNodes.length === 0)) return;
  const catalogue = described && withFileWidgets(described, allowed);
  const parts = forbiddenParts(workflow, { allowNodes, denyNodes, allowed }, catalogue).slice(0, MOST_FAULTS);
  if (parts.length === 0) return;
  const errors = parts.map(({ node, input, detail }) => ({ pointer: pointers.node(node, input), detail }));
  throw fieldsError('validation_failed', errors);
}

/**
 * Throws validation_failed for a link into a model input of a kind with models that only some keys may use: the linked
 * name is unknown until the job runs, and ComfyUI does not check it.
 */
export function refuseLinkedModels(
  { name, graph }: Workflow,
  { limitedKinds }: Pick<KeyOffers, 'limitedKinds'>,
  { caller, pointers, known }: Pick<Judging, 'caller' | 'pointers'> & { readonly known: readonly InstanceAbilities[] },
): void {
  if (name !== GRAPH || limitedKinds.size === 0 || caller.scopes.includes('admin')) return;
  const instances = [...new Set(known.map(({ abilities }) => abilities)), {}];
  const isLimited = (className: string, input: string) =>
    instances.some((abilities) => {
      const kind = modelKindAt(className, input, abilities);
      return kind !== undefined && limitedKinds.has(kind);
    });
  const errors = Object.entries(graph).flatMap(([node, { class_type: className, inputs }]) =>
    Object.keys(inputs)
      .filter((input) => Array.isArray(inputs[input]) && isLimited(className, input))
      .map((input) => ({
        pointer: pointers.node(node, input),
        detail: `${input} of ${className} takes only the name of a model, no link`,
      })),
  );
  if (errors.length > 0) throw fieldsError('validation_failed', errors.slice(0, MOST_FAULTS));
}

/** The media that each kind of input accepts, and their name in errors. */
const TAKEN: Readonly<Record<Exclude<FileKind, 'file'>, readonly [called: string, kinds: readonly MediaKind[]]>> = {
  image: ['an image', ['image', 'animation']],
  video: ['a video or an animated image', ['video', 'animation']],
  audio: ['audio or a video', ['audio', 'video']],
};
const CALLED: Readonly<Record<MediaKind, string>> = {
  image: 'a still image',
  animation: 'an animated image',
  video: 'a video',
  audio: 'audio',
};

/**
 * Returns the size of each file of a job once its node has decoded it. Throws validation_failed for a file whose bytes are not
 * the medium that the input accepts: ComfyUI opens media with ffmpeg, which recognises playlists and scripts under any name
 * and opens the files that they list, including files of the host and of other callers.
 */
export async function refuseFiles(
  { measureFile, allowedNodes }: Deps,
  workflow: Workflow,
  request: ResolvedRequest,
  { caller, described, pointers, signal }: Judging & { readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, Measured>> {
  const files = filesOf(request);
  const measured = new Map<string, Measured>();
  if (files.length === 0) return measured;
  const catalogue = described && withFileWidgets(described, allowedNodes);
  for (const [input, file] of files) {
    const wanted = mediaTaken(workflow, input, catalogue);
    if (wanted.length === 0 && file.width === undefined) {
      if (file.bytes !== undefined) measured.set(input, latentOfBytes(file.bytes));
      continue;
    }
    const media = await measureFile(caller.id, file, signal);
    if (media !== undefined) measured.set(input, media);
    const detail = faultOf(media, wanted);
    if (detail === undefined) continue;
    throw fieldError('validation_failed', pointers.input(input), detail);
  }
  return measured;
}

/**
 * Replaces the videos and sounds of a request by copies that this service writes, since ffmpeg may find more in the original
 * than was measured. What could not be measured stays as it is. Throws validation_failed, and what RewriteFile throws.
 */
export async function withRewrittenFiles(
  { rewriteFile }: Deps,
  request: ResolvedRequest,
  measured: ReadonlyMap<string, Measured>,
  { caller, pointers, signal }: Pick<Judging, 'caller' | 'pointers'> & { readonly signal: AbortSignal },
): Promise<ResolvedRequest> {
  const inputs = { ...request.inputs };
  for (const [input, file] of filesOf(request)) {
    const container = measured.get(input)?.container;
    if (container === undefined || file.copyOf !== undefined) continue;
    inputs[input] = await rewriteFile(caller.id, { file, container }, signal).catch((error: unknown) => {
      if (!(error instanceof Undecodable)) throw error;
      throw fieldError('validation_failed', pointers.input(input), notOneMedium(error.why));
    });
  }
  return { ...request, inputs };
}

function notOneMedium(why: string): string {
  return `must be one picture, video or sound and nothing else; the file ${why}. Save it again in an editor, a picture as PNG`;
}

function faultOf(media: Measured | undefined, wanted: readonly (keyof typeof TAKEN)[]): string | undefined {
  if (media?.fault !== undefined) return notOneMedium(media.fault);
  const found = media?.kind;
  const missed = wanted.find((kind) => found === undefined || !TAKEN[kind][1].includes(found));
  if (missed === undefined) return undefined;
  const is = found === undefined ? 'neither an image nor a video nor audio' : CALLED[found];
  return `must be ${TAKEN[missed][0]}; by its bytes the file is ${is}`;
}

/** The media that an input accepts, by its declared type and by the node classes: some callers declare the type themselves. */
function mediaTaken({ graph, inputs }: Workflow, name: string, catalogue: Catalogue | undefined) {
  const input = inputs.find((one) => one.name === name);
  const widgets = input?.slots.map(({ node, input: widget }) => {
    const className = graph[node]?.class_type;
    return className === undefined ? undefined : fileWidget(className, widget, catalogue);
  });
  const isMedium = (kind: string | undefined): kind is keyof typeof TAKEN =>
    kind !== undefined && Object.hasOwn(TAKEN, kind);
  return [...new Set<string | undefined>([input?.type, ...(widgets ?? [])])].filter(isMedium);
}

/**
 * Throws `validation_failed` where ComfyUI would refuse the graph with the inputs of the request: no outputs, missing inputs,
 * numbers out of bounds, links of the wrong type. refuseImpossible checks what instances lack.
 */
export function refuseGraph(
  workflow: Workflow,
  request: ResolvedRequest,
  catalogue: Catalogue | undefined,
  pointers: Pointers,
): void {
  const named = workflow.outputs.filter(({ name }) => request.outputs?.includes(name) ?? true);
  const nodes = named.length > 0 ? named.map(({ node }) => node) : outputNodes(workflow, catalogue);
  if (nodes.length === 0) {
    const detail = 'the workflow has no output node, so ComfyUI would not run it: add one, such as SaveImage';
    throw fieldError('validation_failed', '', detail);
  }
  if (catalogue === undefined) return;
  const graph = bindGraph(workflow, request, { filenamePrefix: '', files: fileNames(request) });
  const faults = graphFaults(graph, nodes, catalogue).filter((fault) => !isLack(fault));
  if (faults.length === 0) return;
  const errors = faults.map((fault) => faultAt(fault, { workflow, graph, pointers }));
  throw fieldsError('validation_failed', errors);
}

/** All output nodes, including those that are not outputs of the workflow because they save and show nothing. */
function outputNodes({ graph }: Workflow, catalogue: Catalogue = {}): string[] {
  return Object.entries(graph).flatMap(([id, node]) => (isOutputClass(catalogue, node.class_type) ? [id] : []));
}

/** Whether the fault is a missing option, such as a model: another instance may have it. */
function isLack({ type, extra: { received_value: value } }: GraphFault): boolean {
  return type === 'value_not_in_list' && [value].flat().some((one) => typeof one === 'string');
}

function fileNames(request: ResolvedRequest): Map<string, string> {
  return new Map(filesOf(request).map(([input, { name }]) => [input, name]));
}

/** The error about a job that exceeds the GPU limits. */
export class BeyondLimits extends FleetError {
  readonly faults: readonly LimitFault[];

  constructor(detail: string, faults: readonly LimitFault[], errors: FleetError['errors']) {
    super('validation_failed', detail, { errors });
    this.faults = faults;
  }
}

/**
 * Throws BeyondLimits, with the field and the limit of each fault. Returns what was found about the job. `files`: the
 * files of the request, by input.
 */
export function refuseBeyondLimits(
  { withinLimits }: Pick<Deps, 'withinLimits'>,
  workflow: Workflow,
  request: ResolvedRequest,
  {
    caller,
    described: catalogue,
    pointers,
    limits,
    files,
    beside,
  }: Judging & {
    readonly limits: RequestLimits;
    readonly files: ReadonlyMap<string, LoadedMedia>;
    /** JSON that came with the graph. */
    readonly beside: string | undefined;
  },
): Pick<ResolvedRequest, 'keptPixels' | 'bounds'> {
  // This check takes a third of the time to accept a job, and most jobs differ only in prompt and seed.
  const isCacheable = workflow.name !== GRAPH && beside === undefined && files.size === 0;
  const id = isCacheable ? limitsCheckId(workflow, request, limits) : undefined;
  const before = id === undefined ? undefined : withinLimits.get(id);
  if (before !== undefined && before.described === catalogue) return { keptPixels: before.keptPixels };
  const graph = bindGraph(workflow, request, { files: fileNames(request) });
  const { slots } = workflow.bindings;
  const demand = gpuDemand(graph, {
    slots,
    catalogue,
    loaded: (slot) => files.get(workflow.inputAt(slot)?.name ?? ''),
    beside,
    fileBytes: filesOf(request).reduce((sum, [, { bytes = 0 }]) => sum + bytes, 0),
  });
  const found = faultsBeyond(demand, limits);
  // In graphs by keys without access to all nodes, numbers that come over links must also be within the bounds of their inputs.
  if (workflow.name === GRAPH && caller.allowNodes !== undefined && catalogue !== undefined) {
    found.push(...linkedNumberFaults(graph, demand.numbers, catalogue), ...previewFaults(graph, demand.lists));
  }
  const faults = found.slice(0, MOST_FAULTS);
  if (faults.length === 0) {
    const { keptPixels } = demand;
    if (id !== undefined) withinLimits.set(id, { described: catalogue, keptPixels });
    return { keptPixels, ...(workflow.name === GRAPH ? { bounds: demand.numbers.bounds } : {}) };
  }
  const errors = faults.map((fault) => faultAt(fault, { workflow, graph, pointers }));
  throw new BeyondLimits(fieldsError('validation_failed', errors).detail, faults, errors);
}

/** How many accepted requests are remembered, with a few hundred bytes each. */
const MOST_WITHIN = 2000;

export function createWithinLimits(): Deps['withinLimits'] {
  return new LRUCache({ max: MOST_WITHIN });
}

/** Identifies everything that the result of the check depends on, except the catalogue. */
function limitsCheckId(workflow: Workflow, request: ResolvedRequest, limits: RequestLimits): string {
  return hash('sha256', JSON.stringify([basisOfDemand(workflow, request), limits]), 'base64url');
}
