import { describeNode, type Graph, nodeAt } from './graph.js';

/** The sentence for several nodes that could each be meant: names them and the file that would settle it. */
export function compete(graph: Graph, role: string, ids: readonly string[]): string {
  const [first = ''] = ids;
  const nodes = ids.map((id) => describeNode(graph, id)).join(' and ');
  return `${nodes} compete for ${role}: say which one in the bindings file, for instance {"${role}": ${JSON.stringify(shortName(graph, first))}}`;
}

/** The title when no other node bears it: it outlives renumbering. */
function shortName(graph: Graph, id: string): string {
  const title = nodeAt(graph, id)._meta?.title;
  const bearers = Object.values(graph).filter((node) => node._meta?.title === title);
  return title === undefined || bearers.length > 1 || Object.hasOwn(graph, title) ? id : title;
}
