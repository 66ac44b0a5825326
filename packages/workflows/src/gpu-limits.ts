import type { GpuLimits, RequestLimits } from '@comfy-fleet/contracts';
import type { Catalogue } from './describe/catalogue.js';
import type { Amount, GpuDemand } from './gpu-demand.js';
import { type Graph, isLink, nodeAt } from './graph.js';
import { MAX_FRAMES } from './loaded-media.js';
import type { Numbers } from './numbers.js';
import { nodeInputs } from './verdict/node-inputs.js';
import { pythonText } from './verdict/python.js';
import type { NodeErrors } from './verdict/refusal.js';

/** A demand beyond a limit. */
export interface LimitFault {
  readonly node: string;
  /** Undefined: it concerns what the node makes. */
  readonly input: string | undefined;
  readonly value: number;
  readonly most: number;
  readonly detail: string;
}

/** The limits of one job: the workflow's own instead of the service's, and never more than the key's. */
export function limitsFor(
  service: RequestLimits,
  { limits: own }: { readonly limits: Partial<GpuLimits> },
  key: Partial<GpuLimits>,
): RequestLimits {
  const limits: { -readonly [name in keyof RequestLimits]: number } = { ...service, ...own };
  for (const [name, most] of Object.entries(key) as [keyof GpuLimits, number | undefined][]) {
    if (most !== undefined) limits[name] = Math.min(limits[name], most);
  }
  limits.minSize = Math.min(limits.minSize, limits.maxSize);
  return limits;
}

/** The limit of an amount. */
export function mostOf({ of }: Pick<Amount, 'of'>, limits: GpuLimits): number {
  switch (of) {
    case 'steps':
      return limits.maxSteps;
    case 'cfg':
      return limits.maxCfg;
    case 'size':
      return limits.maxSize;
    case 'count':
      return limits.maxCount;
  }
}

/** How often nodes may process the pixels that a job may make: twice in each of four nodes, for example. */
const MOST_WORK = 8;
/** Most files and texts that a job may leave. */
export const MAX_OUTPUTS = 1000;
/**
 * Most bytes of the graph, its workflow and unchanged files that a job may write into its files, on the disk of its
 * instance and in our storage: as much as in a thousand pictures with a graph and a workflow of usual size.
 */
const MAX_COPIED_BYTES = 256 * 1024 ** 2;
/**
 * Most parts that nodes may join, such as conditionings of up to 4 MB each. A chain of 60 nodes that each add one part
 * joins 1,890; a chain that doubles them joins as many in 10 nodes.
 */
const MOST_PARTS = 2000;
/** Most items of a list. Nodes run once for each, and some compare each with the others. */
const MOST_ITEMS = 4096;

const MEASURED = `PNG, JPEG, WebP, GIF, TIFF, AVIF, MP4, MOV, MKV, WebM, MP3, WAV, OGG and FLAC can be, if they are whole, have at most ${MAX_FRAMES} frames, and use H.264, H.265, VP8, VP9, AV1 or ProRes, and AAC, MP3, Opus, Vorbis, FLAC or PCM`;

export function faultsBeyond(demand: GpuDemand, limits: GpuLimits): LimitFault[] {
  const { amounts, pixels, largestMaker, work, hardestWorker, lists, saved, largestSaver, copied } = demand;
  const { joined, largestJoiner } = demand;
  const faults: LimitFault[] = amounts.flatMap((amount) => {
    const { at, value } = amount;
    const most = mostOf(amount, limits);
    return value > most ? [{ ...at, value, most, detail: `must be ${most} or less; it is ${value}` }] : [];
  });
  const beyond = (node: string | undefined, value: number, most: number, what: (value: number) => string) => {
    const detail = `${what(value)}, and ${most} are the most`;
    if (node !== undefined && value > most) faults.push({ node, input: undefined, value, most, detail });
  };
  const { maxJobPixels } = limits;
  beyond(largestMaker, pixels, maxJobPixels, (value) =>
    value === Number.POSITIVE_INFINITY
      ? `reads a file that cannot be measured: ${MEASURED}. The pixels of the job must be counted`
      : `the job would make ${value} pixels (width × height × pictures × frames, of all nodes; three samples of a sound count as one, and a byte of AAC as 341; other sounds are counted exactly)`,
  );
  beyond(
    hardestWorker,
    work,
    maxJobPixels * MOST_WORK,
    (value) => `the nodes of the job would handle ${value} pixels, and the costly ones count more`,
  );
  beyond(largestSaver, saved, MAX_OUTPUTS, (value) => `the job would leave ${value} files and texts`);
  beyond(
    largestSaver,
    copied,
    MAX_COPIED_BYTES,
    (value) => `ComfyUI would write ${value} bytes of the graph, its workflow and unchanged files into ${saved} files`,
  );
  beyond(largestJoiner, joined, MOST_PARTS, (value) => `the nodes of the job would join ${value} parts`);
  const [longest] = [...lists].sort(([, one], [, other]) => other - one);
  beyond(longest?.[0], longest?.[1] ?? 0, MOST_ITEMS, (value) => `would make a list of ${value} items`);
  return faults;
}

/** Classes that write previews into the temporary folder under random names, which only the history tells us. */
const PREVIEWS = new Set([
  'GLSLShader',
  'ImageCompare',
  'ImageCropV2',
  'LossGraphNode',
  'MaskPreview',
  'Painter',
  'PreviewAudio',
  'SAM3_TrackPreview',
]);

/** Previews of lists: if one item fails, ComfyUI does not list those before it, and they would stay for a day. */
export function previewFaults(graph: Graph, lists: GpuDemand['lists']): LimitFault[] {
  return Object.entries(graph).flatMap(([node, { class_type: className }]) => {
    const value = lists.get(node) ?? 1;
    const detail = `cannot preview the ${value} items of a list; save them, or join them in a batch`;
    return PREVIEWS.has(className) && value > 1 ? [{ node, input: undefined, value, most: 1, detail }] : [];
  });
}

/** The faults in ComfyUI's words for a number above the `max` of an input. */
export function limitErrors(faults: readonly LimitFault[], graph: Graph): NodeErrors {
  const nodes: Record<string, NodeErrors[string]> = {};
  for (const { node, input, value, most, detail } of faults) {
    const message = `Value ${pythonText(value)} bigger than max of ${pythonText(most)}`;
    const config = input === undefined ? {} : { input_name: input, input_config: [inputType(value), { max: most }] };
    const extra_info = { ...config, received_value: value };
    const error = { type: 'value_bigger_than_max', message, details: input ?? detail, extra_info };
    const errors = [...(nodes[node]?.errors ?? []), error];
    nodes[node] = { errors, dependent_outputs: [], class_type: nodeAt(graph, node).class_type };
  }
  return nodes;
}

function inputType(value: number): string {
  return Number.isInteger(value) ? 'INT' : 'FLOAT';
}

/** Fractional numbers that determine how much a node makes or plans. */
const AMOUNT = /second|duration|megapixels|scale|multiplier|denoise/;
/** Integers that make nothing larger. */
const HARMLESS = /seed|trim|index|idx|offset|^values?(\.|$)/;

/**
 * ComfyUI only checks numbers in the node itself against the bounds of the input. These are the linked numbers that are
 * out of bounds, or might be because they are unknown before the graph runs.
 */
export function linkedNumberFaults(graph: Graph, numbers: Numbers, catalogue: Catalogue): LimitFault[] {
  const faults: LimitFault[] = [];
  for (const [node, { class_type: className, inputs }] of Object.entries(graph)) {
    if (!Object.values(inputs).some(isLink)) continue;
    for (const { name: input, type, more } of nodeInputs(catalogue[className], inputs)) {
      // Some inputs take both.
      const types = typeof type === 'string' ? type.split(',') : [];
      if (!isLink(inputs[input]) || !(types.includes('INT') || types.includes('FLOAT'))) continue;
      const { value, isDecoded = false } = numbers.at({ node, input }) ?? { value: Number.NaN };
      const [least, most] = [Number(more.min ?? -Infinity), Number(more.max ?? Infinity)];
      const decides = types.includes('INT') ? !HARMLESS.test(input) : AMOUNT.test(input);
      const detail = Number.isNaN(value)
        ? 'takes no number that another node finds out; give it a number, or a formula of numbers and sizes of pictures'
        : isDecoded
          ? 'takes the size of a picture that a VAE made only through a formula, which bounds it, such as "a"'
          : `must be from ${least} to ${most}; it is ${value}`;
      const isFault = value < least || value > most || (decides && (isDecoded || Number.isNaN(value)));
      if (isFault) faults.push({ node, input, value, most, detail });
    }
  }
  return faults;
}
