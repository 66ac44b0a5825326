import { type Graph, upstreamOf } from './graph.js';
import type { Workflow } from './workflow.js';

/** Ids of the nodes of `graph` that the named outputs need: all of it, when none is named. */
export function neededFor(graph: Graph, { outputs }: Workflow, names: readonly string[] | undefined): Set<string> {
  const ids = outputs.filter(({ name }) => names?.includes(name)).map(({ node }) => node);
  return ids.length === 0 ? new Set(Object.keys(graph)) : upstreamOf(graph, ids);
}

/** What of `graph` the named outputs need: all of it, when none is named. */
export function neededPart(graph: Graph, workflow: Workflow, names: readonly string[] | undefined): Graph {
  if (names === undefined) return graph;
  const needed = neededFor(graph, workflow, names);
  return Object.fromEntries(Object.entries(graph).filter(([id]) => needed.has(id)));
}
