import { describeNode, type Graph, type GraphNode, type Link, linkAt, linkedInputs, nodeAt } from './graph.js';
import { namedInputs } from './input-names.js';
import { FileFault } from './workflow-error.js';

/** What lies behind a sampler's `positive` or `negative`. */
export interface Conditioning {
  /** Text encoders, behind ControlNet, combining and other conditioning nodes. */
  readonly encoders: Set<string>;
  /** Nodes with a `guidance` of their own (FluxGuidance, CLIPTextEncodeFlux); of a chain the one nearest the sampler. */
  readonly guidance: Set<string>;
}

/** A text behind ConditioningZeroOut has no effect, so nothing behind one is found. */
export function traceConditioning(graph: Graph, link: Link, parameter: 'prompt' | 'negative_prompt'): Conditioning {
  const seen = new Set<string>();
  const trace = ([id, output]: Link): Conditioning => {
    const node = nodeAt(graph, id);
    const found: Conditioning = { encoders: new Set(), guidance: new Set() };
    if (node.class_type === 'ConditioningZeroOut' || seen.has(`${id} ${output}`)) return found;
    seen.add(`${id} ${output}`);
    const onward = conditioningInputs(node, output);
    if (onward.length === 0 && namedInputs(node, parameter).length > 0) found.encoders.add(id);
    else {
      const passed = onward.length > 0 ? onward : onlyLink(node, 'clip');
      if (passed.length === 0)
        throw new FileFault(deadEnd(graph, id, `looking for the text of the ${parameter}`, parameter));
      for (const next of passed.map(trace)) {
        for (const encoder of next.encoders) found.encoders.add(encoder);
        for (const guidance of next.guidance) found.guidance.add(guidance);
      }
    }
    if ('guidance' in node.inputs) {
      found.guidance.clear();
      found.guidance.add(id);
    }
    return found;
  };
  return trace(link);
}

function conditioningInputs(node: GraphNode, output: number): Link[] {
  const positive = linkAt(node, 'positive');
  const negative = linkAt(node, 'negative');
  if (positive !== undefined && negative !== undefined) return [output === 1 ? negative : positive];
  return links(
    node,
    linkedInputs(node).filter((input) => input.startsWith('cond')),
  );
}

/** What lies behind a sampler's `latent_image`. */
export interface LatentSource {
  /** The node that decides the size: an empty latent, ImageScale, …; the one nearest the sampler. */
  readonly size: string | undefined;
  /** The node that decides how many: an empty latent, RepeatLatentBatch. */
  readonly count: string | undefined;
  /** The node that loads a picture. */
  readonly image: string | undefined;
}

const LATENT_INPUTS = ['samples', 'latent_image', 'latent', 'latents', 'pixels', 'image', 'images'];

export function traceLatent(graph: Graph, start: Link): LatentSource {
  let size: string | undefined;
  let count: string | undefined;
  for (let id = start[0]; ; ) {
    const node = nodeAt(graph, id);
    if ('width' in node.inputs && 'height' in node.inputs) size ??= id;
    if ('batch_size' in node.inputs && 'width' in node.inputs) count ??= id;
    if (/^Repeat(Latent|Image)Batch$/.test(node.class_type)) count ??= id;
    if (typeof node.inputs.image === 'string') return { size, count, image: id };
    const named = LATENT_INPUTS.find((input) => linkAt(node, input) !== undefined);
    const next = named === undefined ? onlyLink(node, 'vae')[0] : linkAt(node, named);
    if (next === undefined && size === undefined) {
      throw new FileFault(
        deadEnd(graph, id, 'looking for the size or the picture that the sampler starts from', 'width'),
      );
    }
    if (next === undefined) return { size, count, image: undefined };
    id = next[0];
  }
}

/** The nodes that load the diffusion model, behind LoRA loaders and other model nodes. */
export function traceLoaders(graph: Graph, start: Link): string[] {
  const found = new Set<string>();
  const seen = new Set<string>();
  const open = [start[0]];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    const node = nodeAt(graph, id);
    if (namedInputs(node, 'checkpoint').length > 0) found.add(id);
    else {
      const models = links(
        node,
        linkedInputs(node).filter((input) => /^model\d*$/.test(input)),
      );
      const next = models.length > 0 ? models : onlyLink(node);
      if (next.length === 0) throw new FileFault(deadEnd(graph, id, 'looking for the checkpoint', 'checkpoint'));
      open.push(...next.map(([source]) => source));
    }
  }
  return [...found];
}

/** The nearest node behind `link` that has one of `inputs`, through nodes that only pass `passing` on. */
export function traceTo(graph: Graph, link: Link, passing: string, inputs: readonly string[]): string | undefined {
  for (let id = link[0]; ; ) {
    const node = nodeAt(graph, id);
    const through = linkAt(node, passing);
    if (through === undefined && inputs.some((input) => input in node.inputs)) return id;
    const next = through ?? onlyLink(node, 'model')[0];
    if (next === undefined) return undefined;
    id = next[0];
  }
}

/** The link of a node that has just one (a reroute), not counting what a node of another kind would also have. */
function onlyLink(node: GraphNode, except?: string): Link[] {
  const found = links(
    node,
    linkedInputs(node).filter((input) => input !== except),
  );
  return found.length === 1 ? found : [];
}

function links(node: GraphNode, inputs: readonly string[]): Link[] {
  return inputs.map((input) => linkAt(node, input)).filter((link) => link !== undefined);
}

function deadEnd(graph: Graph, id: string, search: string, parameter: string): string {
  return (
    `${search} ends at ${describeNode(graph, id)}, a node not known for that: name the right node in the bindings file, ` +
    `{"${parameter}": "<title or id>"}, or write {"${parameter}": []} if the workflow has none`
  );
}
