import { type Graph, upstreamOf } from './graph.js';
import type { Workflow } from './workflow.js';

/** Ids of the nodes of `graph` that the named outputs need: all of it, when none is named. */
export function neededFor(graph: Graph, { outputs }: Workflow, names: readonly string[] | undefined): Set<string> {
  const ids = outputs.filter(({ name }) => names?.includes(name)).map(({ node }) => node);
  return ids.length === 0 ? new Set(Object.keys(graph)) : upstreamOf(graph, ids);
}
