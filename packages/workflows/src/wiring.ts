import type { Parameter } from './bindings.js';
import { compete, type Fault, FileFault } from './file-fault.js';
import {
  describeNode,
  type Graph,
  type GraphNode,
  type Link,
  linkAt,
  linkedInputs,
  linksAt,
  nodeAt,
  onlyLink,
  type Slot,
} from './graph.js';
import { namedInputs } from './input-names.js';
import type { Sampling } from './sampling.js';

/** Finds the places of one parameter by following links from the sampler; throws a FileFault if it cannot. */
export type Wiring = (parameter: Parameter) => Slot[];

export function traceWiring(graph: Graph, sampling: Sampling): Wiring {
  const guider = nodeAt(graph, sampling.guider);
  const positive = traceConditioning(graph, linksAt(guider, ['positive', 'conditioning', 'cond1', 'cond2']));
  const negative = traceConditioning(graph, linksAt(guider, ['negative']));
  const latentLink = linkAt(nodeAt(graph, sampling.sampler), 'latent_image');
  const latent = latentLink === undefined ? undefined : traceLatent(graph, latentLink);
  const nodes: Readonly<Record<Parameter, () => readonly (string | undefined)[]>> = {
    prompt: () => encodersOf(graph, positive, 'prompt'),
    negative_prompt: () => encodersOf(graph, negative, 'negative_prompt'),
    seed: () => [sampling.seed],
    steps: () => [sampling.schedule],
    cfg: () => (positive.guidance.size > 0 ? [...positive.guidance] : [sampling.guider]),
    sampler_name: () => [sampling.samplerName],
    scheduler: () => [sampling.schedule],
    denoise: () => [sampling.schedule],
    width: () => {
      if (latent === undefined || latent.size !== undefined || latent.image !== undefined) return [latent?.size];
      throw new FileFault(deadEnd(graph, latent.end, 'size of the picture', 'width'));
    },
    height: () => [latent?.size],
    count: () => [latent?.count],
    checkpoint: () => {
      const model = linkAt(guider, 'model');
      if (model === undefined) return [];
      const { loaders, deadEnds } = traceLoaders(graph, model);
      const [end] = deadEnds;
      if (end !== undefined) throw new FileFault(deadEnd(graph, end, 'checkpoint', 'checkpoint'));
      return loaders;
    },
    image: () => [latent?.image],
  };
  return (parameter) => {
    const ids = nodes[parameter]().filter((id) => id !== undefined);
    if (ids.length > 1) throw new FileFault(compete(graph, parameter, ids));
    return ids.flatMap((node) => namedInputs(nodeAt(graph, node), parameter).map((input) => ({ node, input })));
  };
}

function encodersOf(graph: Graph, { encoders, deadEnds }: Conditioning, parameter: Parameter): string[] {
  const [end] = deadEnds;
  if (end !== undefined && encoders.size === 0) {
    throw new FileFault(deadEnd(graph, end, `text of the ${parameter}`, parameter));
  }
  return [...encoders];
}

function deadEnd(graph: Graph, id: string, sought: string, parameter: Parameter): Fault {
  const end = describeNode(graph, id);
  return {
    problem: `following the wires from the sampler to the ${sought} ends at ${end}, which is not known to hold one`,
    settledBy: { [parameter]: '<title or id>' },
    absent: true,
  };
}

/** The nodes that load the diffusion model, behind LoRA loaders and other model nodes. */
function traceLoaders(graph: Graph, start: Link): { loaders: string[]; deadEnds: string[] } {
  const loaders: string[] = [];
  const deadEnds: string[] = [];
  const seen = new Set<string>();
  const open = [start[0]];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    const node = nodeAt(graph, id);
    if (namedInputs(node, 'checkpoint').length > 0) {
      loaders.push(id);
      continue;
    }
    const models = linkedInputs(node).filter((input) => /^model\d*$/.test(input));
    const next = models.length > 0 ? linksAt(node, models) : [onlyLink(node)].filter((link) => link !== undefined);
    if (next.length === 0) deadEnds.push(id);
    open.push(...next.map(([source]) => source));
  }
  return { loaders, deadEnds };
}

/** What lies behind a sampler's `positive` or `negative`; sets of node ids. */
export interface Conditioning {
  /** Text encoders, behind ControlNet, combining and other conditioning nodes. */
  readonly encoders: ReadonlySet<string>;
  /** Nodes with their own `guidance` (FluxGuidance, CLIPTextEncodeFlux); of a chain, the one nearest to the sampler. */
  readonly guidance: ReadonlySet<string>;
  /** Nodes that seem to have no text and pass none on. */
  readonly deadEnds: ReadonlySet<string>;
}

/**
 * Follows all `links`, each place once. A text behind ConditioningZeroOut has no effect, so the search stops there.
 * Without recursion, because a chain of nodes may be longer than the stack.
 */
export function traceConditioning(graph: Graph, links: readonly Link[]): Conditioning {
  const encoders = new Set<string>();
  const guidance = new Set<string>();
  const deadEnds = new Set<string>();
  const seen = new Set<string>();
  const open = asWays(links, false);
  for (let way = open.pop(); way !== undefined; way = open.pop()) {
    const [id, output] = way.link;
    const node = nodeAt(graph, id);
    const place = `${id} ${output}`;
    if (node.class_type === 'ConditioningZeroOut' || seen.has(place)) continue;
    seen.add(place);
    const isGuide = 'guidance' in node.inputs;
    if (isGuide && !way.isGuided) guidance.add(id);
    const onward = conditioningLinks(node, output);
    const passed = onlyLink(node, 'clip');
    if (onward.length > 0) open.push(...asWays(onward, way.isGuided || isGuide));
    else if (namedInputs(node, 'prompt').length > 0) encoders.add(id);
    else if (passed !== undefined) open.push(...asWays([passed], way.isGuided || isGuide));
    else deadEnds.add(id);
  }
  return { encoders, guidance, deadEnds };
}

interface Way {
  readonly link: Link;
  /** A node nearer to the sampler has a guidance. */
  readonly isGuided: boolean;
}

/** Reversed, because the next one is taken from the end. */
function asWays(links: readonly Link[], isGuided: boolean): Way[] {
  return links.map((link) => ({ link, isGuided })).reverse();
}

/** Nodes with a pair of inputs and outputs return the positive one first. */
function conditioningLinks(node: GraphNode, output: number): Link[] {
  const positive = linkAt(node, 'positive');
  const negative = linkAt(node, 'negative');
  if (positive !== undefined && negative !== undefined) return [output === 1 ? negative : positive];
  return linksAt(
    node,
    linkedInputs(node).filter((input) => input.startsWith('cond')),
  );
}

/** What lies behind a sampler's `latent_image`; node ids, of several the one nearest the sampler. */
export interface LatentSource {
  /** Determines the size: an empty latent, ImageScale, … */
  readonly size: string | undefined;
  /** Determines the number: an empty latent, RepeatLatentBatch. */
  readonly count: string | undefined;
  /** Loads a picture. */
  readonly image: string | undefined;
  /** The last node of the search. */
  readonly end: string;
}

/** Input names of latent and picture nodes for what they process. */
const PASSING = ['samples', 'latent_image', 'latent', 'latents', 'pixels', 'image', 'images'];

export function traceLatent(graph: Graph, start: Link): LatentSource {
  let size: string | undefined;
  let count: string | undefined;
  for (let id = start[0]; ; ) {
    const node = nodeAt(graph, id);
    const sized = 'width' in node.inputs && 'height' in node.inputs;
    if (sized) size ??= id;
    if ((sized && 'batch_size' in node.inputs) || /^Repeat(Latent|Image)Batch$/.test(node.class_type)) count ??= id;
    if (typeof node.inputs.image === 'string') return { size, count, image: id, end: id };
    const passing = PASSING.find((input) => linkAt(node, input) !== undefined);
    const next = passing === undefined ? onlyLink(node, 'vae') : linkAt(node, passing);
    if (next === undefined) return { size, count, image: undefined, end: id };
    id = next[0];
  }
}
