import { type Choices, findNode } from './choices.js';
import { compete, FileFault } from './file-fault.js';
import { describeNode, type Graph, type GraphNode, type Link, linkAt, nodeAt, onlyLink, upstreamOf } from './graph.js';

/** The nodes that do a sampler's work: one node for KSampler, several for SamplerCustomAdvanced. */
export interface Sampling {
  readonly sampler: string;
  /** Has model, positive or conditioning, and possibly negative and cfg. */
  readonly guider: string;
  readonly seed: string | undefined;
  readonly samplerName: string | undefined;
  /** Has steps, and possibly scheduler and denoise. */
  readonly schedule: string | undefined;
}

/** The nodes that save pictures: SaveImage by class (PreviewImage saves nothing), or those of the bindings file. */
export function findOutputs(graph: Graph, choices: Choices): string[] {
  if (choices.output !== undefined) return [choices.output].flat().map((reference) => findNode(graph, reference));
  const outputs = Object.keys(graph).filter((id) => nodeAt(graph, id).class_type === 'SaveImage');
  if (outputs.length > 0) return outputs;
  const preview = Object.keys(graph).find((id) => nodeAt(graph, id).class_type === 'PreviewImage');
  const found = preview === undefined ? '' : `; ${describeNode(graph, preview)} shows pictures without keeping them`;
  throw new FileFault(`has no SaveImage node${found}: add one`);
}

/** The single sampler that the outputs depend on, or the one of the bindings file. */
export function findSampler(graph: Graph, outputs: readonly string[], choices: Choices): string {
  return choices.sampler === undefined ? onlySampler(graph, outputs) : findNode(graph, choices.sampler);
}

/** A sampler with the nodes that do its work. */
export function samplingOf(graph: Graph, sampler: string): Sampling {
  const node = nodeAt(graph, sampler);
  const behind = (input: string, wanted: readonly string[]): string | undefined => {
    if (wanted.some((name) => name in node.inputs)) return sampler;
    const link = linkAt(node, input);
    return link === undefined ? undefined : nearestWith(graph, link, input, wanted);
  };
  return {
    sampler,
    guider: behind('guider', ['positive', 'conditioning', 'cond1']) ?? sampler,
    seed: behind('noise', ['seed', 'noise_seed']),
    samplerName: behind('sampler', ['sampler_name']),
    schedule: behind('sigmas', ['steps']),
  };
}

/** Every sampler that the outputs depend on. */
export function samplersBehind(graph: Graph, outputs: readonly string[]): string[] {
  return [...upstreamOf(graph, outputs)].filter((id) => isSampler(nodeAt(graph, id)));
}

function onlySampler(graph: Graph, outputs: readonly string[]): string {
  const samplers = samplersBehind(graph, outputs);
  const [sampler] = samplers;
  if (sampler === undefined) {
    throw new FileFault(
      `no sampler (KSampler, KSamplerAdvanced, SamplerCustom, SamplerCustomAdvanced or a node wired like one) leads to ` +
        `${outputs.map((id) => describeNode(graph, id)).join(', ')}: connect one`,
    );
  }
  if (samplers.length > 1) throw new FileFault(compete(graph, 'sampler', samplers));
  return sampler;
}

/** By wiring, so that custom samplers count: it starts from a latent, guided by conditioning or a guider. */
export function isSampler(node: GraphNode): boolean {
  const guide: Link | undefined = linkAt(node, 'guider') ?? linkAt(node, 'positive');
  return linkAt(node, 'latent_image') !== undefined && guide !== undefined;
}

/** The nearest node behind `link` that has one of the `wanted` inputs, through nodes that pass on what `input` takes. */
function nearestWith(graph: Graph, link: Link, input: string, wanted: readonly string[]): string | undefined {
  for (let id = link[0]; ; ) {
    const node = nodeAt(graph, id);
    const through = linkAt(node, input);
    if (through === undefined && wanted.some((name) => name in node.inputs)) return id;
    const next = through ?? onlyLink(node, 'model');
    if (next === undefined) return undefined;
    id = next[0];
  }
}
