import type { Workflow } from './workflow.js';

/** The node classes that a job of one of the workflows may need, whatever the request. */
export function classesOf(workflows: Iterable<Pick<Workflow, 'graph' | 'bindings'>>): string[] {
  const classes = new Set<string>();
  for (const { graph, bindings } of workflows) {
    for (const { class_type } of Object.values(graph)) classes.add(class_type);
    // Put in for more than one picture; see bindGraph.
    if (bindings.repeatAt !== undefined) classes.add('RepeatLatentBatch');
  }
  return [...classes].sort();
}
