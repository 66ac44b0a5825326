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

/**
 * Follows all `links` together, each place once. A text behind ConditioningZeroOut has no effect, so nothing behind one is
 * found. Not by recursion: a chain of nodes may be longer than the stack.
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
  /** A node nearer the sampler has a guidance. */
  readonly isGuided: boolean;
}

/** The first of them last, where the next one is taken from. */
function asWays(links: readonly Link[], isGuided: boolean): Way[] {
  return links.map((link) => ({ link, isGuided })).reverse();
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
