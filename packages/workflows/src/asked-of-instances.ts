import { isLink } from './graph.js';
import type { Template } from './template.js';

/** Node classes, each with its inputs that hold a text, which may be a choice among what an instance has. */
export type Asked = ReadonlyMap<string, ReadonlySet<string>>;

/** Everything that the templates may ask of an instance, whatever the request. */
export function askedOfInstances(templates: Iterable<Template>): Asked {
  const asked = new Map<string, Set<string>>();
  const inputsOf = (className: string) => {
    const inputs = asked.get(className) ?? new Set();
    asked.set(className, inputs);
    return inputs;
  };
  for (const { graph, bindings } of templates) {
    for (const { class_type, inputs } of Object.values(graph)) {
      const known = inputsOf(class_type);
      for (const [input, value] of Object.entries(inputs)) {
        if (typeof value === 'string' && !isLink(value)) known.add(input);
      }
    }
    // Put in for more than one picture; see bindGraph.
    if (bindings.repeatAt !== undefined) inputsOf('RepeatLatentBatch');
  }
  return asked;
}
