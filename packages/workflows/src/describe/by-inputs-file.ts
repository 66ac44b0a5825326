import { findNode } from '../choices.js';
import { type Fault, FileFault, gatherFaults } from '../file-fault.js';
import { describeNode, type Graph, nodeAt } from '../graph.js';
import { sameSlot } from '../slots.js';
import type { FoundInput } from './found-input.js';
import { meantWidgets } from './meant-widgets.js';
import type { InputsFile } from './read-inputs-file.js';
import { widgetOf } from './widget.js';

export function byInputsFile(graph: Graph, { inputs = {} }: InputsFile): { inputs: FoundInput[]; faults: Fault[] } {
  const found: FoundInput[] = [];
  const faults = gatherFaults(
    Object.entries(inputs).map(([name, { node: nodes, widget, ...told }]) => () => {
      const slots = [nodes].flat().flatMap((reference) => {
        const node = findNode(graph, reference);
        if (widget === undefined) return meantWidgets(graph, node, name).map((input) => ({ node, input }));
        if (widgetOf(nodeAt(graph, node), widget) !== undefined) return { node, input: widget };
        throw new FileFault(`${name}: ${describeNode(graph, node)} has no widget "${widget}" that can be set`);
      });
      const rival = found.find((other) => other.slots.some((slot) => slots.some((mine) => sameSlot(slot, mine))));
      if (rival !== undefined)
        throw new FileFault(`${rival.name} and ${name} are both in one place: only one can be obeyed`);
      found.push({ name, slots, rule: 'inputsFile', ...told });
    }),
  );
  return { inputs: found, faults };
}
