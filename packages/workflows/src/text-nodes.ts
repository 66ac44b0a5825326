import { type Graph, linksAt, nodeAt } from './graph.js';
import { isSampler, samplingOf } from './sampling.js';
import { traceConditioning } from './wiring.js';

/** The samplers of a graph, and the nodes that encode their texts, by wiring. */
export function textNodesOf(graph: Graph): {
  readonly samplers: ReadonlySet<string>;
  readonly encoders: ReadonlySet<string>;
} {
  const samplers = Object.keys(graph).filter((id) => isSampler(nodeAt(graph, id)));
  const guides = samplers.flatMap((id) => {
    const guider = nodeAt(graph, samplingOf(graph, id).guider);
    return linksAt(guider, ['positive', 'negative', 'conditioning', 'cond1', 'cond2']);
  });
  return { samplers: new Set(samplers), encoders: traceConditioning(graph, guides).encoders };
}
