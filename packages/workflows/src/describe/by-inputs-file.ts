import { findNode } from '../choices.js';
import { type Fault, FileFault, gatherFaults } from '../file-fault.js';
import { describeNode, type Graph, nodeAt } from '../graph.js';
import { sameSlot } from '../slots.js';
import type { Catalogue } from './catalogue.js';
import type { FoundInput } from './found-input.js';
import { onlyWidget } from './only-widget.js';
import type { InputsFile } from './read-inputs-file.js';
import { widgetOf } from './widget.js';

export function byInputsFile(
  graph: Graph,
  { inputs = {} }: InputsFile,
  catalogue: Catalogue | undefined,
): { inputs: FoundInput[]; faults: Fault[] } {
  const found: FoundInput[] = [];
  const faults = gatherFaults(
    Object.entries(inputs).map(([name, { node: nodes, widget, ...told }]) => () => {
      const slots = [nodes].flat().map((reference) => {
        const node = findNode(graph, reference);
        const input: string = widget ?? onlyWidget(graph, node, name, catalogue);
        if (widgetOf(nodeAt(graph, node), input, catalogue) !== undefined) return { node, input };
        throw new FileFault(`${name}: ${describeNode(graph, node)} has no widget "${input}" that can be set`);
      });
      const rival = found.find((other) => other.slots.some((slot) => slots.some((mine) => sameSlot(slot, mine))));
      if (rival !== undefined)
        throw new FileFault(`${rival.name} and ${name} are both in one place: only one can be obeyed`);
      found.push({ name, slots, rule: 'inputsFile', ...told });
    }),
  );
  return { inputs: found, faults };
}
