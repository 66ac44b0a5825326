import { type Graph, linksAt, nodeAt } from './graph.js';
import { isSampler } from './sampling.js';
import { traceConditioning } from './wiring.js';

const CONDITIONING = ['positive', 'negative', 'conditioning', 'cond1', 'cond2'];

/** The samplers of a graph, and the nodes that encode texts for them, by wiring. */
export function textNodesOf(graph: Graph): {
  readonly samplers: ReadonlySet<string>;
  readonly encoders: ReadonlySet<string>;
} {
  const ids = Object.keys(graph);
  const links = ids.flatMap((id) => linksAt(nodeAt(graph, id), CONDITIONING));
  const { encoders, deadEnds } = traceConditioning(graph, links);
  return {
    samplers: new Set(ids.filter((id) => isSampler(nodeAt(graph, id)))),
    // Encoders of custom nodes may have texts under any name.
    encoders: new Set([...encoders, ...deadEnds]),
  };
}
