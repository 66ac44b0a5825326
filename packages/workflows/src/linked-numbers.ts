import type { Catalogue } from './describe/catalogue.js';
import type { LimitFault } from './gpu-limits.js';
import { type Graph, isLink } from './graph.js';
import type { Numbers } from './numbers.js';
import { nodeInputs } from './verdict/node-inputs.js';

/** Numbers with a fraction that say how much a node makes. */
const AMOUNT = /second|duration|megapixels|scale|multiplier/;
/** Whole numbers that make nothing larger. */
const HARMLESS = /seed|trim|index|idx|offset|^value$/;

/**
 * ComfyUI compares only numbers that stand in the node itself with the bounds of the input. These are the numbers that come
 * over a link and are out of bounds, and those that could be, because they cannot be known before the graph runs.
 */
export function linkedNumberFaults(graph: Graph, numbers: Numbers, catalogue: Catalogue): LimitFault[] {
  const faults: LimitFault[] = [];
  for (const [node, { class_type: className, inputs }] of Object.entries(graph)) {
    if (!Object.values(inputs).some(isLink)) continue;
    for (const { name: input, type, more } of nodeInputs(catalogue[className], inputs)) {
      if (!isLink(inputs[input]) || (type !== 'INT' && type !== 'FLOAT')) continue;
      const { value } = numbers.at({ node, input }) ?? { value: Number.NaN };
      const [least, most] = [Number(more.min ?? -Infinity), Number(more.max ?? Infinity)];
      const decides = type === 'INT' ? !HARMLESS.test(input) : AMOUNT.test(input);
      const detail = Number.isNaN(value)
        ? 'takes no number that another node finds out; give it a number, or a formula of numbers and sizes of pictures'
        : `must be from ${least} to ${most}; it is ${value}`;
      const isFault = Number.isNaN(value) ? decides : value < least || value > most;
      if (isFault) faults.push({ node, input, value, most, detail });
    }
  }
  return faults;
}
