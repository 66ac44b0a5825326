import { compete } from '../compete.js';
import type { Fault } from '../file-fault.js';
import { describeNode, type Graph, nodeAt, type Slot, upstreamOf } from '../graph.js';
import { sameSlot } from '../slots.js';
import type { FoundInput, FoundInputs } from './found-input.js';
import { maskUses } from './mask-use.js';
import { isMedia, widgetOf } from './widget.js';

/** The files that nodes load, called after what they are: image, mask, video, audio, file. */
export function byLoader(graph: Graph, outputs: readonly string[], known: readonly FoundInput[]): FoundInputs {
  const roles = new Map<string, Slot[]>();
  const needed = upstreamOf(graph, outputs);
  const masks = maskUses(graph);
  for (const node of Object.keys(graph).filter((id) => needed.has(id))) {
    for (const input of Object.keys(nodeAt(graph, node).inputs)) {
      const type = widgetOf(nodeAt(graph, node), input)?.type;
      if (!isMedia(type) || known.some(({ slots }) => slots.some((slot) => sameSlot(slot, { node, input })))) continue;
      const role = type === 'image' && masks.get(node) === 'only' ? 'mask' : type;
      const slots = roles.get(role) ?? [];
      roles.set(role, slots);
      slots.push({ node, input });
    }
  }
  const inputs: FoundInput[] = [];
  const faults: Fault[] = [];
  for (const [name, slots] of roles) {
    const nodes = slots.map(({ node }) => node);
    const first = known.find((input) => input.name === name);
    if (first !== undefined) faults.push(...nodes.map((node) => alsoLoads(graph, node, name)));
    else if (slots.length > 1) faults.push(compete(graph, name, nodes));
    else inputs.push({ name, slots, rule: 'wiring' });
  }
  return { inputs, faults };
}

function alsoLoads(graph: Graph, id: string, name: string): Fault {
  const problem = `${describeNode(graph, id)} loads a file as well and is not an input, since ${name} is another`;
  return { problem, settledBy: { [`${name}_2`]: id }, between: [id] };
}
