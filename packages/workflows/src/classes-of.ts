import type { Bindings } from './bindings.js';
import type { Graph } from './graph.js';
import type { Workflow } from './workflow.js';

/** The node classes that a job of one of the workflows may need, whatever the request. */
export function classesOf(workflows: Iterable<Pick<Workflow, 'classes'>>): string[] {
  const classes = new Set<string>();
  for (const workflow of workflows) for (const name of workflow.classes) classes.add(name);
  return [...classes].sort();
}

/** The same of one graph. */
export function classesIn(graph: Graph, { repeatAt }: Pick<Bindings, 'repeatAt'>): string[] {
  const classes = new Set(Object.values(graph).map(({ class_type }) => class_type));
  // Put in for more than one picture; see bindGraph.
  if (repeatAt !== undefined) classes.add('RepeatLatentBatch');
  return [...classes].sort();
}
