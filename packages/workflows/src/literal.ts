import type { Parameter } from './bindings.js';
import { type Fault, FileFault } from './file-fault.js';
import { describeNode, type Graph, type GraphNode, isLink, linkedInputs, nodeAt, type Slot } from './graph.js';
import { TEXT_PARAMETERS } from './input-names.js';

/**
 * The place of the value itself: `slot`, or when that is a link, the one value at its other end (a primitive node, a
 * reroute to one). Throws a FileFault when the other end makes its value out of several.
 */
export function literalSlot(graph: Graph, slot: Slot, parameter: Parameter): Slot {
  let at = slot;
  for (;;) {
    const value = nodeAt(graph, at.node).inputs[at.input];
    if (!isLink(value)) return at;
    const input = onlySource(nodeAt(graph, value[0]), parameter);
    if (input === undefined) throw new FileFault(notPlain(graph, slot, value[0], parameter));
    at = { node: value[0], input };
  }
}

function onlySource(node: GraphNode, parameter: Parameter): string | undefined {
  if ('value' in node.inputs) return 'value';
  const literals = Object.keys(node.inputs).filter((input) => fits(node.inputs[input], parameter));
  const sources = [...literals, ...linkedInputs(node)];
  return sources.length === 1 ? sources[0] : undefined;
}

function fits(value: unknown, parameter: Parameter): boolean {
  return TEXT_PARAMETERS.has(parameter) ? typeof value === 'string' : ['number', 'bigint'].includes(typeof value);
}

function notPlain(graph: Graph, slot: Slot, source: string, parameter: Parameter): Fault {
  return {
    problem:
      `${slot.input} of ${describeNode(graph, slot.node)} is made by ${describeNode(graph, source)}, ` +
      `and it cannot be told which of that node's inputs is the ${parameter}`,
    settledBy: { [parameter]: { node: source, input: Object.keys(nodeAt(graph, source).inputs)[0] ?? '' } },
  };
}
