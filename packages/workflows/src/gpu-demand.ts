import type { ResolvedRequest } from '@comfy-fleet/contracts';
import type { Bindings } from './bindings.js';
import { type Catalogue, hasClass, isOutputClass, outputTypes } from './describe/catalogue.js';
import { type Graph, type GraphNode, linkAt, linkedInputs, nodeAt, type Slot, upstreamOf } from './graph.js';
import { ascii, showJson } from './json-text.js';
import type { LoadedFile } from './loaded-media.js';
import { NODE_TABLE, reviewedKind } from './nodes/node-table.js';
import type { NumberAt, Numbers } from './numbers.js';
import { followPictures } from './picture-flow.js';
import { imagesOf, type Pictures, pixelsOf, type Side, workOn } from './picture-shapes.js';
import { isSampler } from './sampling.js';
import { pixelsOfSound } from './sound-flow.js';
import { nodeInputs } from './verdict/node-inputs.js';

/** A number of a graph to which a limit applies. */
export interface Amount {
  readonly of: 'steps' | 'cfg' | 'size' | 'count';
  /** The place of the number that determines it. */
  readonly at: Slot;
  /** That number is a factor. */
  readonly isScaled: boolean;
  readonly value: number;
}

/** What a job demands of a GPU. */
export interface GpuDemand {
  readonly amounts: readonly Amount[];
  /** Pixels of all latents and images that it makes, video frames included, and the equivalent of its sounds. */
  readonly pixels: number;
  /** Id of the node that makes most of them. */
  readonly largestMaker: string | undefined;
  /** Pixels that take as much memory as the results of all nodes that ComfyUI executes. */
  readonly keptPixels: number;
  /** Pixels that all its nodes process, weighted by the cost of each node. */
  readonly work: number;
  /** Id of the node that processes most of them. */
  readonly hardestWorker: string | undefined;
  /** Parts that all its nodes together join: conditionings, tracks, models and the like. */
  readonly joined: number;
  /** Id of the node that joins most of them. */
  readonly largestJoiner: string | undefined;
  /** Lengths of the lists that leave its nodes. */
  readonly lists: ReadonlyMap<string, number>;
  /** Files that its nodes save and texts that they show. */
  readonly saved: number;
  /** Id of the node that saves most of them. */
  readonly largestSaver: string | undefined;
  /** Bytes of the graph and its extra data in all files, because ComfyUI writes them into each, and of unchanged files. */
  readonly copied: number;
  readonly numbers: Numbers;
}

interface Known {
  readonly slots: Bindings['slots'];
  readonly catalogue: Catalogue | undefined;
  readonly loaded?: LoadedFile;
  /** JSON beside the graph, such as the workflow of ComfyUI's editor. */
  readonly beside?: string | undefined;
  /** Bytes of all files of the job. */
  readonly fileBytes?: number;
}

/** Classes that write one file per picture; others write one for all. */
const SAVES_EACH = /^(Save|Preview)(Image|Mask)|^MaskPreview|^ImageCompare/;
/** Classes that may write a file as it was loaded, even over nodes that seem to change it. */
const SAVES_FILES = /^Save(Video|3D|GLB|GaussianSplat|PointCloud)/;
const STEPS = ['steps', 'scale_steps'];
const CFG = ['cfg', 'cfg_conds', 'cfg_cond2_negative', 'video_cfg', 'audio_cfg'];
/** Memory of a pixel of a latent, in pixels of an image: at most 128 numbers for 16×16 of them. */
const LATENT_MEMORY = 1 / 6;
/** Make latents with as many numbers as the picture has. Other nodes then make such latents of them. */
const MAKES_PIXEL_LATENTS = new Set(['EmptyChromaRadianceLatentImage', 'EmptyHiDreamO1LatentImage']);
/** Pixels with the memory of the conditioning of a usual text: 512 tokens of 4096 numbers each. */
const TEXT_WORK = (512 * 4096) / 3;
/** To plan a step, ComfyUI needs about as long as to change this many pixels, and hears no interrupt meanwhile. */
const STEP_WORK = 1000;
const EMPTY_LATENT = /empty.*latent/i;
/** Their steps are not sampling steps. */
const TRAINS = /train/i;
const ROLES = [
  ['cfg', 'cfg'],
  ['width', 'size'],
  ['height', 'size'],
  ['count', 'count'],
] as const;

/**
 * What a graph, as submitted, demands of a GPU:
 *
 * - the steps and the cfg of each sampler,
 * - width, height and batch size of empty latents and of sampler inputs after scaling and repeating, and of the
 * workflow's inputs with these roles,
 * - the pixels that all its nodes make, except nodes that only change or move pixels, and the sounds of all nodes.
 *
 * Sizes are upper bounds, derived from the names of classes and inputs and from the catalogue's types where there is
 * one. A number over a link counts as the primitive at its other end. A number that other nodes calculate is unknown
 * and counts as nothing, and so does the size of an unknown picture: MAX_GPU_SECONDS limits these, and samplers that
 * choose their number of steps.
 */
export function gpuDemand(sent: Graph, known: Known): GpuDemand {
  const { slots, catalogue, loaded = () => undefined, beside = '', fileBytes = 0 } = known;
  const graph = withKnownInputs(sent, catalogue);
  const amounts = new Map<string, Amount>();
  const note = (of: Amount['of'], found: Side | undefined) => {
    if (found?.at === undefined || Number.isNaN(found.value)) return;
    const { at, value, isScaled = false } = found;
    const id = JSON.stringify([of, at.node, at.input]);
    if (value > (amounts.get(id)?.value ?? Number.NEGATIVE_INFINITY)) amounts.set(id, { of, at, value, isScaled });
  };
  const { numbers, pictures, lists, joined, makers, sounds, texts } = followPictures(graph, catalogue, loaded);
  const handled = new Sum();
  for (const [parameter, of] of ROLES) for (const slot of slots[parameter]) note(of, numbers.at(slot));
  for (const id of Object.keys(graph)) {
    const node = nodeAt(graph, id);
    if (!TRAINS.test(node.class_type))
      for (const input of STEPS) note('steps', workedSteps(graph, numbers, { node: id, input }));
    handled.add(id, plannedSteps(numbers, id) * STEP_WORK * (lists.get(id) ?? 1));
    for (const input of CFG) note('cfg', numbers.at({ node: id, input }));
    const written = node.class_type === 'ManualSigmas' ? numbersIn(node.inputs.sigmas) - 1 : 0;
    if (written > 0) note('steps', { value: written, at: { node: id, input: 'sigmas' } });
  }
  const outputs = Object.keys(graph).filter(
    (id) => isOutputClass(catalogue ?? {}, nodeAt(graph, id).class_type) !== false,
  );
  const executed = upstreamOf(graph, outputs);
  const made = new Sum();
  const saved = new Sum();
  let keptPixels = 0;
  const latentMemory = hasPixelLatents(graph) ? 1 : LATENT_MEMORY;
  const keep = (id: string, pixels: number) => {
    if (executed.has(id)) keptPixels += pixels;
  };
  for (const [id, one] of pictures) {
    const items = lists.get(id) ?? 1;
    const least = ownPixels(graph, pictures, id);
    const memory = workOn(one) * memoryFactor(catalogue, nodeAt(graph, id).class_type, latentMemory);
    keep(id, Math.max(memory, least) * items);
    if (makers.has(id)) made.add(id, pixelsOf(one) * items);
    handled.add(id, Math.max(workOn(one) * workFactor(graph, numbers, id), least) * items);
  }
  for (const [id, count] of texts) {
    const pixels = count * TEXT_WORK * (lists.get(id) ?? 1);
    handled.add(id, pixels);
    keep(id, pixels);
  }
  for (const [id, sound] of sounds) {
    const pixels = pixelsOfSound(sound, catalogue, nodeAt(graph, id).class_type) * (lists.get(id) ?? 1);
    made.add(id, pixels);
    keep(id, Math.max(pixels, sound.seconds * eachOf(graph, id)));
  }
  let unchanged = 0;
  for (const id of outputs) {
    const { class_type: name } = nodeAt(graph, id);
    const one = SAVES_EACH.test(name) ? pictures.get(id) : undefined;
    const each = one === undefined ? 1 : one.count.value * one.frames || 1;
    const items = lists.get(id) ?? 1;
    saved.add(id, each * items);
    if (!SAVES_FILES.test(name)) continue;
    unchanged += items;
    // ComfyUI copies packets, which may overlap in a file that cannot be measured.
    if (pictures.get(id)?.frames === Number.POSITIVE_INFINITY) made.add(id, Number.POSITIVE_INFINITY);
  }
  const parts = new Sum();
  for (const [id, count] of joined) parts.add(id, count);
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
    keptPixels: Math.round(keptPixels),
    work: handled.total,
    hardestWorker: handled.largest,
    saved: saved.total,
    largestSaver: saved.largest,
    // One copy takes no more space than the caller's own file.
    copied:
      saved.total * (ascii(showJson(sent)).length + ascii(beside).length) + Math.max(0, unchanged - 1) * fileBytes,
    joined: parts.total,
    largestJoiner: parts.largest,
    lists,
    numbers,
  };
}

/** A total, and the node that contributes most. */
class Sum {
  total = 0;
  largest: string | undefined;
  private most = 0;

  add(id: string, amount: number): void {
    this.total += amount;
    if (amount > this.most) [this.most, this.largest] = [amount, id];
  }
}

/** The memory of a result of the class, for each of its pixels. Output nodes pass on what they get. */
function memoryFactor(catalogue: Catalogue | undefined, className: string, latentMemory: number): number {
  if (isOutputClass(catalogue ?? {}, className) === true) return 0;
  return outputTypes(catalogue, className)?.every((type) => type === 'LATENT') ? latentMemory : 1;
}

function eachOf(graph: Graph, id: string): number {
  return NODE_TABLE.get(nodeAt(graph, id).class_type)?.each ?? 0;
}

/** The pixels of what a node makes of its pictures if it has a size of its own for them. */
function ownPixels(graph: Graph, pictures: ReadonlyMap<string, Pictures>, id: string): number {
  const each = eachOf(graph, id);
  const node = nodeAt(graph, id);
  const sources =
    each === 0 ? [] : linkedInputs(node).flatMap((input) => pictures.get(linkAt(node, input)?.[0] ?? '') ?? []);
  return sources.reduce((sum, one) => sum + each * imagesOf(one), 0);
}

function hasPixelLatents(graph: Graph): boolean {
  return Object.values(graph).some(
    ({ class_type, inputs }) => MAKES_PIXEL_LATENTS.has(class_type) || inputs.vae_name === 'pixel_space',
  );
}

function workFactor(graph: Graph, numbers: Numbers, id: string): number {
  const factors = NODE_TABLE.get(nodeAt(graph, id).class_type)?.work ?? [];
  const numberOf = (input: string) => Math.abs(numbers.at({ node: id, input })?.value ?? 1);
  return factors.reduce<number>((all, factor) => all * (typeof factor === 'number' ? factor : numberOf(factor)), 1);
}

/** The steps of a sampler; of a KSamplerAdvanced only those of its window. */
function workedSteps(graph: Graph, numbers: Numbers, slot: Slot): NumberAt | undefined {
  const steps = numbers.at(slot);
  const numberOf = (input: string) => numbers.at({ node: slot.node, input })?.value;
  if (graph[slot.node]?.class_type !== 'KSamplerAdvanced') return steps;
  const start = numbers.leastAt({ node: slot.node, input: 'start_at_step' }) ?? 0;
  const end = numberOf('end_at_step') ?? Number.POSITIVE_INFINITY;
  return steps && { at: steps.at, value: Math.max(0, Math.min(steps.value, end) - start) };
}

/** With a `denoise` of d, ComfyUI plans steps / d and then runs the last of them. */
function plannedSteps(numbers: Numbers, node: string): number {
  const { value: steps } = numbers.at({ node, input: 'steps' }) ?? { value: 0 };
  const { value: most, least = most } = numbers.at({ node, input: 'denoise' }) ?? { value: 0 };
  return most > 0 ? Math.max(0, steps) / Math.min(1, Math.max(0, least)) : 0;
}

function numbersIn(text: unknown): number {
  // Shorter runs of dots first: the expression takes quadratic time for a long one.
  return typeof text === 'string' ? (text.replace(/\.+/g, '.').match(/\d*\.?\d+/g)?.length ?? 0) : 0;
}

/**
 * The graph without inputs that the classes do not have. ComfyUI ignores them, and they must not hide what a node
 * really does.
 */
function withKnownInputs(graph: Graph, catalogue: Catalogue | undefined): Graph {
  const knownInputsOf = ({ class_type: className, inputs }: GraphNode): readonly string[] => {
    if (catalogue !== undefined && hasClass(catalogue, className))
      return nodeInputs(catalogue[className], inputs).map(({ name }) => name);
    const isReviewed = NODE_TABLE.has(className);
    return Object.keys(inputs).filter((input) => !isReviewed || reviewedKind(className, input) !== undefined);
  };
  return Object.fromEntries(
    Object.entries(graph).map(([id, node]) => {
      const known = knownInputsOf(node).filter((input) => Object.hasOwn(node.inputs, input));
      return [id, { ...node, inputs: Object.fromEntries(known.map((input) => [input, node.inputs[input]])) }];
    }),
  );
}

/** Inputs whose values do not affect the demand, except by the length of a text. */
const LENGTH_ONLY = new Set([
  'CLIPTextEncode.text',
  'KSampler.seed',
  'KSamplerAdvanced.noise_seed',
  'RandomNoise.noise_seed',
  'SamplerCustom.noise_seed',
]);

/** The parts of a workflow that the demand depends on. */
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
    const isPlain = () => slots.every(({ node, input }) => LENGTH_ONLY.has(`${graph[node]?.class_type}.${input}`));
    // ComfyUI writes the graph into its files as ASCII.
    if (typeof value === 'string' && isPlain())
      telling[name] = [Buffer.byteLength(value), ascii(showJson(value)).length];
  }
  return [workflow, version, telling, outputs];
}
