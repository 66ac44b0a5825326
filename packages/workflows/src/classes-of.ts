import type { Template } from './template.js';

/** The node classes that a job of one of the templates may need, whatever the request. */
export function classesOf(templates: Iterable<Pick<Template, 'graph' | 'bindings'>>): string[] {
  const classes = new Set<string>();
  for (const { graph, bindings } of templates) {
    for (const { class_type } of Object.values(graph)) classes.add(class_type);
    // Put in for more than one picture; see bindGraph.
    if (bindings.repeatAt !== undefined) classes.add('RepeatLatentBatch');
  }
  return [...classes].sort();
}
