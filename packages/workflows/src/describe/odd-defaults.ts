import { type Graph, nodeAt } from '../graph.js';
import { showJson } from '../json-text.js';
import type { FoundInput } from './found-input.js';
import type { Note } from './note.js';

/** Defaults that what is said of their inputs forbids: jobs that leave them out run with them all the same. */
export function oddDefaults(graph: Graph, inputs: readonly FoundInput[]): Note[] {
  return inputs.flatMap((input): Note[] => {
    const { name, slots } = input;
    const [first] = slots;
    const preset = input.default ?? (first && nodeAt(graph, first.node).inputs[first.input]);
    const fault = faultOf(preset, input);
    if (fault === undefined) return [];
    const text = `The default of ${name}, ${showJson(preset)}, is ${fault}.`;
    return [{ text, nodes: slots.map(({ node }) => node), widget: first?.input, input: name }];
  });
}

function faultOf(preset: unknown, { minimum, maximum, options }: FoundInput): string | undefined {
  const isOption = options?.some((option) => option === preset) ?? true;
  if (!isOption) return 'none of its options';
  if (typeof preset !== 'number') return undefined;
  if (minimum !== undefined && preset < minimum) return `below its minimum ${minimum}`;
  return maximum !== undefined && preset > maximum ? `above its maximum ${maximum}` : undefined;
}
