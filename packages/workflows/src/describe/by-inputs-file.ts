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
      const slots = [nodes].flat().flatMap((place) => {
        const { node: reference, widget: input = widget } = typeof place === 'string' ? { node: place } : place;
        const node = findNode(graph, reference);
        if (input === undefined) return meantWidgets(graph, node, name).map((meant) => ({ node, input: meant }));
        if (widgetOf(nodeAt(graph, node), input) !== undefined) return { node, input };
        const problem = `${name}: ${describeNode(graph, node)} has no widget "${input}" that can be set`;
        throw new FileFault({ problem, at: { node } });
      });
      const rival = found.find((other) => other.slots.some((slot) => slots.some((mine) => sameSlot(slot, mine))));
      if (rival !== undefined) {
        const problem = `${rival.name} and ${name} are both in one place: only one can be obeyed`;
        throw new FileFault({ problem, between: slots.map(({ node }) => node) });
      }
      found.push({ name, slots, rule: 'inputsFile', ...told });
    }),
  );
  return { inputs: found, faults };
}
