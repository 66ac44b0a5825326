import type { Fault } from './file-fault.js';
import { describeNode, type Graph, nodeAt } from './graph.js';

/** The fault of several nodes that could each be meant. */
export function compete(graph: Graph, role: string, ids: readonly string[]): Fault {
  const inOrder = Object.keys(graph).filter((id) => ids.includes(id));
  const [first = ''] = inOrder;
  return {
    problem: `${inOrder.map((id) => describeNode(graph, id)).join(' and ')} compete for ${role}`,
    settledBy: { [role]: shortName(graph, first) },
    between: inOrder,
  };
}

/** The title when no other node bears it: it outlives renumbering. */
function shortName(graph: Graph, id: string): string {
  const title = nodeAt(graph, id)._meta?.title;
  const bearers = Object.values(graph).filter((node) => node._meta?.title === title);
  return title == null || bearers.length > 1 || Object.hasOwn(graph, title) ? id : title;
}
