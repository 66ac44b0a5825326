import { type Graph, type GraphNode, type Link, linkAt, linkedInputs, linksAt, nodeAt, onlyLink } from './graph.js';
import { namedInputs } from './input-names.js';

/** What lies behind a sampler's `positive` or `negative`; sets of node ids. */
export interface Conditioning {
  /** Text encoders, behind ControlNet, combining and other conditioning nodes. */
  readonly encoders: ReadonlySet<string>;
  /** Nodes with a `guidance` of their own (FluxGuidance, CLIPTextEncodeFlux); of a chain the one nearest the sampler. */
  readonly guidance: ReadonlySet<string>;
  /** Nodes that neither hold a text nor pass one on, as far as can be told. */
  readonly deadEnds: ReadonlySet<string>;
}

/** Follows all `links` together. A text behind ConditioningZeroOut has no effect, so nothing behind one is found. */
export function traceConditioning(graph: Graph, links: readonly Link[]): Conditioning {
  const seen = new Set<string>();
  const trace = ([id, output]: Link): Conditioning => {
    const node = nodeAt(graph, id);
    const place = `${id} ${output}`;
    if (node.class_type === 'ConditioningZeroOut' || seen.has(place)) return union([]);
    seen.add(place);
    const behind = traceNode(id, node, output);
    return 'guidance' in node.inputs ? { ...behind, guidance: new Set([id]) } : behind;
  };
  const traceNode = (id: string, node: GraphNode, output: number): Conditioning => {
    const onward = conditioningLinks(node, output);
    if (onward.length > 0) return union(onward.map(trace));
    if (namedInputs(node, 'prompt').length > 0) return { ...union([]), encoders: new Set([id]) };
    const passed = onlyLink(node, 'clip');
    return passed === undefined ? { ...union([]), deadEnds: new Set([id]) } : trace(passed);
  };
  return union(links.map(trace));
}

/** Nodes that take and give a pair give the positive first. */
function conditioningLinks(node: GraphNode, output: number): Link[] {
  const positive = linkAt(node, 'positive');
  const negative = linkAt(node, 'negative');
  if (positive !== undefined && negative !== undefined) return [output === 1 ? negative : positive];
  return linksAt(
    node,
    linkedInputs(node).filter((input) => input.startsWith('cond')),
  );
}

function union(parts: readonly Conditioning[]): Conditioning {
  return {
    encoders: new Set(parts.flatMap(({ encoders }) => [...encoders])),
    guidance: new Set(parts.flatMap(({ guidance }) => [...guidance])),
    deadEnds: new Set(parts.flatMap(({ deadEnds }) => [...deadEnds])),
  };
}
