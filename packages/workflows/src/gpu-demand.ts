import type { ResolvedRequest } from '@comfy-fleet/contracts';
import type { Bindings } from './bindings.js';
import { type Catalogue, hasClass, inputSpec, isOutputClass } from './describe/catalogue.js';
import { type Graph, linkAt, nodeAt, type Slot } from './graph.js';
import { ascii, showJson } from './json-text.js';
import type { LoadedFile } from './loaded-media.js';
import { NODE_TABLE, reviewedKind } from './nodes/node-table.js';
import type { NumberAt, Numbers } from './numbers.js';
import { followPictures, pixelsOf, type Side, workOn } from './picture-flow.js';
import { isSampler } from './sampling.js';
import { pixelsOfSound } from './sound-flow.js';

/** A number of a graph that a limit applies to. */
export interface Amount {
  readonly of: 'steps' | 'cfg' | 'size' | 'count';
  /** Where the number that decides it stands. */
  readonly at: Slot;
  /** That number is a factor. */
  readonly isScaled: boolean;
  readonly value: number;
}

/** What a job asks of a GPU. */
export interface GpuDemand {
  readonly amounts: readonly Amount[];
  /** Of all latents and images that it makes, video frames included, and what its sounds take in memory. */
  readonly pixels: number;
  /** Id of the node that makes most of them. */
  readonly largestMaker: string | undefined;
  /** Pixels that all its nodes handle, each weighted by what it costs there. */
  readonly work: number;
  /** Id of the node that handles most of them. */
  readonly hardestWorker: string | undefined;
  /** Parts of which all its nodes together join conditionings, tracks, models and the like. */
  readonly joined: number;
  /** Id of the node that joins most of them. */
  readonly largestJoiner: string | undefined;
  /** The longest list, and the id of the node that makes it. */
  readonly longest: { readonly node: string; readonly items: number } | undefined;
  /** Files that its nodes save and texts that they show. */
  readonly saved: number;
  /** Id of the node that saves most of them. */
  readonly largestSaver: string | undefined;
  /** Bytes of the graph and of what came beside it in all files: ComfyUI writes them into each. */
  readonly copied: number;
  readonly numbers: Numbers;
}

interface Known {
  readonly slots: Bindings['slots'];
  readonly catalogue: Catalogue | undefined;
  readonly loaded?: LoadedFile;
  /** JSON that came beside the graph, such as the workflow of ComfyUI's editor. */
  readonly beside?: string | undefined;
}

/** Classes that write a file for each picture; others write one for all. */
const SAVES_EACH = /^(Save|Preview)(Image|Mask)|^MaskPreview|^ImageCompare/;
const STEPS = ['steps', 'scale_steps'];
const CFG = ['cfg', 'cfg_conds', 'cfg_cond2_negative', 'video_cfg', 'audio_cfg'];
/** Inputs that have others inside, such as `resize_type.width`. */
const GROWS = /DYNAMIC|AUTOGROW/;
/** Pixels that take as much memory as the conditioning of a text of usual length: 512 tokens with 4096 numbers each. */
const TEXT_WORK = (512 * 4096) / 3;
const EMPTY_LATENT = /empty.*latent/i;
/** They have steps that are not sampling steps. */
const TRAINS = /train/i;
const ROLES = [
  ['cfg', 'cfg'],
  ['width', 'size'],
  ['height', 'size'],
  ['count', 'count'],
] as const;

/**
 * What a graph, as it will be submitted, asks of a GPU:
 *
 * - the steps and the cfg of each sampler,
 * - width, height and batch size of empty latents and of whatever a sampler works on, after scaling and repeating, and the
 *   inputs of the workflow that have these roles,
 * - the pixels that all its nodes make, where nodes that only change or move pixels add none, and the sounds of all nodes.
 *
 * Sizes are upper bounds by what classes and inputs are called, with the catalogue's types where there is one. A number that
 * comes over a link counts as the primitive at its other end. One that other nodes calculate is unknown and counts as
 * nothing, as does the size of an unknown picture: for these there is MAX_GPU_SECONDS. So there is for samplers that decide
 * themselves how many steps they take.
 */
export function gpuDemand(sent: Graph, { slots, catalogue, loaded = () => undefined, beside = '' }: Known): GpuDemand {
  const graph = withKnownInputs(sent, catalogue);
  const amounts = new Map<string, Amount>();
  const note = (of: Amount['of'], found: Side | undefined) => {
    if (found?.at === undefined || Number.isNaN(found.value)) return;
    const { at, value, isScaled = false } = found;
    const id = JSON.stringify([of, at.node, at.input]);
    if (value > (amounts.get(id)?.value ?? Number.NEGATIVE_INFINITY)) amounts.set(id, { of, at, value, isScaled });
  };
  const { numbers, pictures, lists, joined, makers, sounds, texts } = followPictures(graph, catalogue, loaded);
  for (const [parameter, of] of ROLES) for (const slot of slots[parameter]) note(of, numbers.at(slot));
  for (const id of Object.keys(graph)) {
    const node = nodeAt(graph, id);
    if (!TRAINS.test(node.class_type))
      for (const input of STEPS) note('steps', workedSteps(graph, numbers, { node: id, input }));
    for (const input of CFG) note('cfg', numbers.at({ node: id, input }));
    const written = node.class_type === 'ManualSigmas' ? numbersIn(node.inputs.sigmas) - 1 : 0;
    if (written > 0) note('steps', { value: written, at: { node: id, input: 'sigmas' } });
  }
  const made = new Sum();
  const handled = new Sum();
  const saved = new Sum();
  for (const [id, one] of pictures) {
    const items = lists.get(id) ?? 1;
    if (makers.has(id)) made.add(id, pixelsOf(one) * items);
    handled.add(id, workOn(one) * items * workFactor(graph, numbers, id));
  }
  for (const [id, count] of texts) handled.add(id, count * TEXT_WORK * (lists.get(id) ?? 1));
  for (const [id, sound] of sounds)
    made.add(id, pixelsOfSound(sound, catalogue, nodeAt(graph, id).class_type) * (lists.get(id) ?? 1));
  for (const id of Object.keys(graph)) {
    const { class_type: name } = nodeAt(graph, id);
    const one = SAVES_EACH.test(name) ? pictures.get(id) : undefined;
    const each = one === undefined ? 1 : one.count.value * one.frames || 1;
    if (isOutputClass(catalogue ?? {}, name) !== false) saved.add(id, each * (lists.get(id) ?? 1));
  }
  const parts = new Sum();
  for (const [id, count] of joined) parts.add(id, count);
  const [longest] = [...lists].sort(([, one], [, other]) => other - one);
  const sampled = Object.keys(graph).filter((id) => isSampler(nodeAt(graph, id)));
  const created = [...makers].filter((id) => EMPTY_LATENT.test(nodeAt(graph, id).class_type));
  for (const id of [...created, ...sampled.flatMap((one) => linkAt(nodeAt(graph, one), 'latent_image')?.[0] ?? [])]) {
    const one = pictures.get(id);
    note('size', one?.width);
    note('size', one?.height);
    note('count', one?.count);
  }
  return {
    amounts: [...amounts.values()],
    pixels: made.total,
    largestMaker: made.largest,
    work: handled.total,
    hardestWorker: handled.largest,
    saved: saved.total,
    largestSaver: saved.largest,
    copied: saved.total * (ascii(showJson(sent)).length + ascii(beside).length),
    joined: parts.total,
    largestJoiner: parts.largest,
    longest: longest && { node: longest[0], items: longest[1] },
    numbers,
  };
}

/** A total, and the node that adds most to it. */
class Sum {
  total = 0;
  largest: string | undefined;
  private most = 0;

  add(id: string, amount: number): void {
    this.total += amount;
    if (amount > this.most) [this.most, this.largest] = [amount, id];
  }
}

function workFactor(graph: Graph, numbers: Numbers, id: string): number {
  const factors = NODE_TABLE.get(nodeAt(graph, id).class_type)?.work ?? [];
  const numberOf = (input: string) => Math.abs(numbers.at({ node: id, input })?.value ?? 1);
  return factors.reduce<number>((all, factor) => all * (typeof factor === 'number' ? factor : numberOf(factor)), 1);
}

/** Of a KSamplerAdvanced, only the steps between its first and its last. */
function workedSteps(graph: Graph, numbers: Numbers, slot: Slot): NumberAt | undefined {
  const steps = numbers.at(slot);
  const numberOf = (input: string) => numbers.at({ node: slot.node, input })?.value;
  if (graph[slot.node]?.class_type !== 'KSamplerAdvanced') return steps;
  const start = numberOf('start_at_step') ?? 0;
  const end = numberOf('end_at_step') ?? Number.POSITIVE_INFINITY;
  return steps && { at: steps.at, value: Math.max(0, Math.min(steps.value, end) - Math.max(0, start)) };
}

function numbersIn(text: unknown): number {
  return typeof text === 'string' ? (text.match(/\d+(\.\d+)?/g)?.length ?? 0) : 0;
}

/**
 * The graph without inputs that the classes do not have. ComfyUI ignores them, and they must not hide what a node really
 * does.
 */
function withKnownInputs(graph: Graph, catalogue: Catalogue | undefined): Graph {
  const isKnown = (className: string, input: string) => {
    if (catalogue === undefined || !hasClass(catalogue, className)) {
      return !NODE_TABLE.has(className) || reviewedKind(className, input) !== undefined;
    }
    if (inputSpec(catalogue, className, input) !== undefined) return true;
    const [outer = '', inner] = input.split('.');
    return inner !== undefined && GROWS.test(inputSpec(catalogue, className, outer)?.type ?? '');
  };
  return Object.fromEntries(
    Object.entries(graph).map(([id, node]) => {
      const inputs = Object.entries(node.inputs).filter(([input]) => isKnown(node.class_type, input));
      return [id, { ...node, inputs: Object.fromEntries(inputs) }];
    }),
  );
}

/** Inputs of nodes whose values do not change what a job asks of a GPU, but for the length of a text. */
const LENGTH_ONLY = new Set([
  'CLIPTextEncode.text',
  'KSampler.seed',
  'KSamplerAdvanced.noise_seed',
  'RandomNoise.noise_seed',
  'SamplerCustom.noise_seed',
]);

/** A workflow. */
interface VersionedGraph {
  readonly name: string;
  readonly version: string;
  readonly graph: Graph;
  readonly inputs: readonly { readonly name: string; readonly slots: readonly Slot[] }[];
}

/** Everything besides the catalogue on which the demand of a request without files depends. */
export function basisOfDemand(
  { name: workflow, version, graph, inputs: known }: VersionedGraph,
  { inputs, outputs }: ResolvedRequest,
): readonly unknown[] {
  const telling: Record<string, unknown> = { ...inputs };
  for (const { name, slots } of known) {
    const value = inputs[name];
    const isPlain = slots.every(({ node, input }) => LENGTH_ONLY.has(`${graph[node]?.class_type}.${input}`));
    // ComfyUI writes the graph into its files as ASCII.
    if (isPlain && typeof value === 'string') telling[name] = [value.length, ascii(showJson(value)).length];
  }
  return [workflow, version, telling, outputs];
}
