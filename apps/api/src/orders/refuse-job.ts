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
  bindGraph,
  type Catalogue,
  faultsBeyond,
  fileWidget,
  type GraphFault,
  gpuDemand,
  graphFaults,
  isOutputClass,
  type Lack,
  type LimitFault,
  type LoadedMedia,
  linkedNumberFaults,
  type Slot,
  type Workflow,
  withFileWidgets,
} from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import { nearestLacks } from '../fleet/held-by-fleet.js';
import type { Caller } from '../server/caller.js';
import { MOST_FAULTS } from '../server/field-errors.js';
import { faultAt, type Pointers } from './pointers.js';

/** Names listed in an answer; a server may have thousands of LoRAs. */
const MOST_LISTED = 100;
/**
 * Throws `no_able_instance` when every instance that is known lacks something that the job needs, with what there is in
 * its place. With none known the job is taken: its instance may still come.
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
  const [nearest] = lacks;
  if (nearest === undefined) return;
  // What the nearest one lacks is what is to be changed; the choices are those of all.
  const errors = nearest.map((lack) => fieldError(lack, { workflow, pool, all: lacks.flat(), pointers }));
  const detail = errors.map(({ pointer, detail }) => `${pointer} ${detail}`.trim()).join('; ');
  throw new FleetError('no_able_instance', `${detail}.`, { errors });
}

interface Asked {
  readonly workflow: Workflow;
  readonly pool: string;
  /** Of all instances. */
  readonly all: readonly Lack[];
  readonly pointers: Pointers;
}

function fieldError(lack: Lack, { workflow, pool, all, pointers }: Asked): FieldError {
  const pointer = pointers.node(lack.node, lack.input);
  if (lack.input === undefined) {
    const detail = `the workflow ${workflow.name} needs the node ${lack.className}, which no instance of the pool ${pool} has`;
    return { pointer, detail };
  }
  const { className, input, value, setBy } = lack;
  const alike = all.filter((other) => other.className === className && other.input === input);
  const choices = [...new Set(alike.flatMap((other) => (other.input === undefined ? [] : other.choices)))];
  const what = `"${value}" is on no instance of the pool ${pool}; there is ${listed(choices)}`;
  if (setBy !== undefined) return { pointer: pointers.input(setBy), detail: what };
  if (pointer !== '') return { pointer, detail: what };
  return { pointer, detail: `${input} of ${className} in the workflow ${workflow.name}: ${what}` };
}

function listed(choices: readonly string[]): string {
  if (choices.length === 0) return 'none';
  const more = choices.length - MOST_LISTED;
  return `${choices.slice(0, MOST_LISTED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** The kinds of file that each kind of input takes, and their name in errors. */
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
 * What the files of a job become when its nodes decode them. Throws validation_failed for files that are not, by their bytes, the medium that an input takes. ComfyUI opens media with
 * ffmpeg, which recognises playlists and scripts under any name and opens the files that they list: any file of the host,
 * and files of other callers. Files of retried jobs and old assets are judged here as well.
 */
export async function refuseFiles(
  { measureFile, allowedNodes }: Pick<Deps, 'measureFile' | 'allowedNodes'>,
  workflow: Workflow,
  request: ResolvedRequest,
  {
    caller,
    described,
    pointers,
  }: { readonly caller: Caller; readonly described: Catalogue | undefined; readonly pointers: Pointers },
): Promise<ReadonlyMap<string, LoadedMedia>> {
  const files = filesOf(request);
  const measured = new Map<string, LoadedMedia>();
  if (files.length === 0) return measured;
  const catalogue = described && withFileWidgets(described, allowedNodes);
  for (const [input, file] of files) {
    const wanted = mediaTaken(workflow, input, catalogue);
    if (wanted.length === 0 && file.width === undefined) continue;
    const media = await measureFile(caller.id, file);
    if (media !== undefined) measured.set(input, media);
    const found = media?.kind;
    const missed = wanted.find((kind) => found === undefined || !TAKEN[kind][1].includes(found));
    if (missed === undefined) continue;
    const pointer = pointers.input(input);
    const is = found === undefined ? 'neither an image nor a video nor audio' : CALLED[found];
    const detail = `must be ${TAKEN[missed][0]}; by its bytes the file is ${is}`;
    throw new FleetError('validation_failed', `${pointer} ${detail}.`.trim(), { errors: [{ pointer, detail }] });
  }
  return measured;
}

/** By the input and by the node classes: some callers say themselves what kind of file an input takes. */
function mediaTaken({ graph, inputs }: Workflow, name: string, catalogue: Catalogue | undefined) {
  const input = inputs.find((one) => one.name === name);
  const widgets = input?.slots.map(({ node, input: widget }) => {
    const className = graph[node]?.class_type;
    return className === undefined ? undefined : fileWidget(className, widget, catalogue);
  });
  return [...new Set<string | undefined>([input?.type, ...(widgets ?? [])])].filter(isTold);
}

function isTold(kind: string | undefined): kind is keyof typeof TAKEN {
  return kind !== undefined && Object.hasOwn(TAKEN, kind);
}

/**
 * Throws `validation_failed` for what ComfyUI would refuse of the graph as the request has it: nothing that it runs for,
 * inputs that are missing, numbers out of bounds, links that do not fit. What instances lack is told apart.
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
    const detail = 'the workflow has no output node, for which ComfyUI would run it: add one, such as SaveImage';
    throw refused([{ pointer: '', detail }]);
  }
  if (catalogue === undefined) return;
  const files = new Map(filesOf(request).map(([input, { name }]) => [input, name]));
  const graph = bindGraph(workflow, request, { filenamePrefix: '', files });
  const faults = graphFaults(graph, nodes, catalogue).filter((fault) => !isLack(fault));
  if (faults.length === 0) return;
  throw refused(faults.map((fault) => faultAt(fault, { workflow, graph, pointers })));
}

/** Some, such as one that calls a webhook, neither save nor show anything, so they are none of the workflow's outputs. */
function outputNodes({ graph }: Workflow, catalogue: Catalogue = {}): string[] {
  return Object.entries(graph).flatMap(([id, node]) => (isOutputClass(catalogue, node.class_type) ? [id] : []));
}

/** A text that is not among the options is what some instance may have. */
function isLack({ type, extra: { received_value: value } }: GraphFault): boolean {
  return type === 'value_not_in_list' && [value].flat().some((one) => typeof one === 'string');
}

function refused(errors: readonly { readonly pointer: string; readonly detail: string }[]): FleetError {
  const detail = errors.map(({ pointer, detail: what }) => `${pointer} ${what}`.trim()).join('; ');
  return new FleetError('validation_failed', `${detail}.`, { errors });
}

/** A job that asks more of a GPU than it may. */
export class BeyondLimits extends FleetError {
  readonly faults: readonly LimitFault[];

  constructor(detail: string, faults: readonly LimitFault[], errors: FleetError['errors']) {
    super('validation_failed', detail, { errors });
    this.faults = faults;
  }
}

interface Judged {
  readonly limits: RequestLimits;
  readonly catalogue: Catalogue | undefined;
  readonly pointers: Pointers;
  /** The files of the request, by input. */
  readonly files: ReadonlyMap<string, LoadedMedia>;
  /** Its author may not use any node: numbers must be within the bounds of inputs, whichever way they come there. */
  readonly isRestricted: boolean;
}

/** Throws BeyondLimits for a job that asks more of a GPU than the limits allow, with the field and the limit of each fault. */
export function refuseBeyondLimits(
  workflow: Workflow,
  request: ResolvedRequest,
  { limits, catalogue, pointers, files, isRestricted }: Judged,
): void {
  const names = new Map(filesOf(request).map(([input, { name }]) => [input, name]));
  const graph = bindGraph(workflow, request, { files: names });
  const loaded = (slot: Slot) => files.get(workflow.inputAt(slot)?.name ?? '');
  const { slots } = workflow.bindings;
  const demand = gpuDemand(graph, { slots, catalogue, loaded });
  const found = faultsBeyond(demand, limits);
  if (isRestricted && catalogue !== undefined) found.push(...linkedNumberFaults(graph, demand.numbers, catalogue));
  const faults = found.slice(0, MOST_FAULTS);
  if (faults.length === 0) return;
  const errors = faults.map((fault) => faultAt(fault, { workflow, graph, pointers }));
  const detail = errors.map(({ pointer, detail: what }) => `${pointer} ${what}`.trim()).join('; ');
  throw new BeyondLimits(`${detail}.`, faults, errors);
}
