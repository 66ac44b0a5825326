import type { Parameter } from './bindings.js';
import { compete } from './compete.js';
import { type Conditioning, traceConditioning } from './conditioning.js';
import { type Fault, FileFault } from './file-fault.js';
import {
  describeNode,
  type Graph,
  type Link,
  linkAt,
  linkedInputs,
  linksAt,
  nodeAt,
  onlyLink,
  type Slot,
} from './graph.js';
import { namedInputs } from './input-names.js';
import { traceLatent } from './latent.js';
import type { Sampling } from './sampling.js';

/** Finds the places of one parameter by following the wires from the sampler; throws a FileFault when it cannot. */
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
