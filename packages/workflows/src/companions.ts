import type { Parameter } from './bindings.js';
import { FileFault } from './file-fault.js';
import { type Graph, nodeAt, type Slot } from './graph.js';
import { literalSlot } from './literal.js';

const PAIRS = [
  ['width', 'height'],
  ['target_width', 'target_height'],
] as const;

/**
 * Other nodes that carry the picture's size (ModelSamplingFlux, CLIPTextEncodeSDXL, the ImageScale of a control
 * picture): in the template they hold the same width and height as the latent, and so they follow it. A node with
 * another size was given it on purpose and keeps it.
 */
export function companionsOfSize(
  graph: Graph,
  ids: ReadonlySet<string>,
  slots: Readonly<Record<Parameter, readonly Slot[]>>,
): { width: Slot[]; height: Slot[] } {
  const valueAt = (slot: Slot | undefined) =>
    slot === undefined ? undefined : nodeAt(graph, slot.node).inputs[slot.input];
  const width = valueAt(slots.width[0]);
  const height = valueAt(slots.height[0]);
  const found = { width: [] as Slot[], height: [] as Slot[] };
  if (width === undefined || height === undefined) return found;
  for (const id of ids) {
    for (const [wide, high] of PAIRS) {
      const inputs = nodeAt(graph, id).inputs;
      if (!(wide in inputs) || !(high in inputs)) continue;
      const wideSlot = plainSlot(graph, { node: id, input: wide }, 'width');
      const highSlot = plainSlot(graph, { node: id, input: high }, 'height');
      if (wideSlot === undefined || highSlot === undefined) continue;
      if (valueAt(wideSlot) !== width || valueAt(highSlot) !== height) continue;
      found.width.push(wideSlot);
      found.height.push(highSlot);
    }
  }
  return found;
}

/** A size that is calculated follows by itself. */
function plainSlot(graph: Graph, slot: Slot, parameter: Parameter): Slot | undefined {
  try {
    return literalSlot(graph, slot, parameter);
  } catch (error) {
    if (error instanceof FileFault) return undefined;
    throw error;
  }
}
