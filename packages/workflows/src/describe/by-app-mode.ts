import { compete, type Fault, FileFault, gatherFaults } from '../file-fault.js';
import { type Graph, nodeAt, type Slot } from '../graph.js';
import { isRecord } from '../read-graph.js';
import type { FoundInput } from './found-input.js';
import { widgetOf } from './widget.js';

interface Chosen {
  readonly slot: Slot;
  readonly description: string | undefined;
}

/**
 * Inputs of ComfyUI's App mode, `[node id, widget, {description?}]`. Their name is that from class and wiring
 * (`nameOf`), else the widget's, with the node's title before it if several would share it.
 */
export function byAppMode(
  graph: Graph,
  linearData: unknown,
  nameOf: (slot: Slot) => string | undefined,
): { inputs: FoundInput[]; faults: Fault[] } {
  const chosen: Chosen[] = [];
  const faults = gatherFaults(
    listOf(linearData, 'inputs').map((entry) => () => {
      const [id, widget, config] = Array.isArray(entry) ? entry : [];
      if (typeof widget !== 'string') return;
      const settable = (node: string) => widgetOf(nodeAt(graph, node), widget) !== undefined;
      const node = findAppNode(graph, String(id), settable);
      if (node === undefined) throw new FileFault(`App mode shows ${widget} of node ${id}, which the graph has not`);
      const description = isRecord(config) && typeof config.description === 'string' ? config.description : undefined;
      chosen.push({ slot: { node, input: widget }, description });
    }),
  );
  const plainName = ({ slot }: Chosen) => nameOf(slot) ?? slot.input;
  const name = (one: Chosen) =>
    count(chosen, (other) => plainName(other) === plainName(one)) === 1
      ? plainName(one)
      : `${titleWord(graph, one.slot.node)}_${one.slot.input}`;
  const inputs = chosen.map((one): FoundInput => {
    const { slot, description } = one;
    return { name: name(one), slots: [slot], rule: 'appMode', ...(description ? { description } : {}) };
  });
  for (const twice of new Set(
    inputs.filter((one) => count(inputs, ({ name }) => name === one.name) > 1).map(({ name }) => name),
  )) {
    const nodes = inputs.filter(({ name }) => name === twice).flatMap(({ slots }) => slots.map(({ node }) => node));
    faults.push(compete(graph, twice, nodes));
  }
  return { inputs: inputs.filter((one) => count(inputs, ({ name }) => name === one.name) === 1), faults };
}

/** The nodes that App mode shows as outputs, in its order. */
export function appModeOutputs(graph: Graph, linearData: unknown): string[] {
  return listOf(linearData, 'outputs').flatMap((id) => findAppNode(graph, String(id), () => true) ?? []);
}

/**
 * The node with this id, or the node of a subgraph that it stands for: App mode names a subgraph (`12`) or a node in it
 * (`3`), the API format names the node by both (`12:3`).
 */
function findAppNode(graph: Graph, id: string, fits: (node: string) => boolean): string | undefined {
  if (Object.hasOwn(graph, id)) return fits(id) ? id : undefined;
  const within = Object.keys(graph).filter((node) => node.startsWith(`${id}:`) || node.endsWith(`:${id}`));
  const fitting = within.filter(fits);
  return fitting.length === 1 ? fitting[0] : undefined;
}

function listOf(linearData: unknown, key: 'inputs' | 'outputs'): readonly unknown[] {
  const list = isRecord(linearData) ? linearData[key] : undefined;
  return Array.isArray(list) ? list : [];
}

function titleWord(graph: Graph, id: string): string {
  const { _meta, class_type } = nodeAt(graph, id);
  return (
    (_meta?.title ?? class_type)
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '_')
      .replace(/^[^a-z]+|_+$/g, '') || 'node'
  );
}

function count<T>(list: readonly T[], test: (one: T) => boolean): number {
  return list.filter(test).length;
}
