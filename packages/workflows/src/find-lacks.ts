import type { Abilities, ResolvedRequest } from '@comfy-fleet/contracts';
import { bindGraph } from './bind-graph.js';
import type { Parameter } from './bindings.js';
import type { Template } from './template.js';

/** Something that a job needs and an instance has not: a node class, or a choice of one of its inputs. */
export type Lack =
  | { readonly className: string; readonly input: undefined }
  | {
      readonly className: string;
      readonly input: string;
      readonly value: string;
      /** What there is in its place. */
      readonly choices: readonly string[];
      /** Whose value it is, if a request can set it. */
      readonly parameter: Parameter | undefined;
    };

/** What an instance lacks for the job; nothing when it can run it. */
export function findLacks(template: Template, request: ResolvedRequest, abilities: Abilities): Lack[] {
  const { slots } = template.bindings;
  const graph = bindGraph(template, request, { filenamePrefix: '', inputName: '' });
  const parameterAt = (node: string, input: string): Parameter | undefined =>
    (Object.keys(slots) as Parameter[]).find((name) =>
      slots[name].some((slot) => slot.node === node && slot.input === input),
    );
  return Object.entries(graph).flatMap(([node, { class_type: className, inputs }]): Lack[] => {
    const known = Object.hasOwn(abilities, className) ? abilities[className] : undefined;
    if (known === undefined) return [{ className, input: undefined }];
    return Object.entries(known).flatMap(([input, choices]): Lack[] => {
      const value = inputs[input];
      const parameter = parameterAt(node, input);
      // The picture to start from is uploaded later.
      if (typeof value !== 'string' || parameter === 'image' || choices.includes(value)) return [];
      return [{ className, input, value, choices, parameter }];
    });
  });
}
