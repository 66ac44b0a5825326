import { type Catalogue, hasClass } from '../describe/catalogue.js';
import { fileKindOf } from '../describe/widget.js';
import { type Graph, type GraphNode, nodeAt, type Slot } from '../graph.js';
import { isModelFile } from '../model-file.js';
import { isRecord } from '../read-graph.js';
import { isAmount } from '../shape.js';
import { judgeValue } from './judge-value.js';
import { isVarying, type NodeInput, nodeInputs } from './node-inputs.js';

/** All by which a graph is judged, and opened. */
export interface Outline {
  readonly text: string;
  /** Where graphs of one text may differ: something stands there that the input takes, as seeds and prompts do. */
  readonly open: readonly OpenSlot[];
}

export interface OpenSlot extends Slot {
  readonly described: NodeInput;
}

/** The outline of what may be a graph; undefined where nodes are none, or of classes that nobody describes. */
export type Outliner = (graph: unknown, catalogue: Catalogue) => Outline | undefined;

/** Types of inputs that take any text or number within bounds. */
const OPEN_TYPES: readonly unknown[] = ['INT', 'FLOAT', 'STRING'];

interface KnownClass {
  /** Stands for the description. */
  readonly mark: number;
  /** The inputs that take whatever a caller thinks of, and say nothing about the others. */
  readonly open: ReadonlyMap<string, NodeInput>;
}

/**
 * Writes outlines such that graphs of one text have one verdict: nodes in their order with the descriptions of their
 * classes, titles, links and values, but for those that say nothing. Texts of two outliners are not alike.
 */
export function createOutliner(): Outliner {
  const classes = new WeakMap<object, KnownClass>();
  let marks = 0;

  const knownClass = (description: Readonly<Record<string, unknown>>): KnownClass => {
    const before = classes.get(description);
    if (before !== undefined) return before;
    marks += 1;
    const made = { mark: marks, open: openInputs(description) };
    classes.set(description, made);
    return made;
  };

  return (graph, catalogue) => {
    if (!isRecord(graph)) return undefined;
    let text = '';
    const open: OpenSlot[] = [];
    for (const id of Object.keys(graph)) {
      const node: unknown = graph[id];
      if (!isRecord(node) || typeof node.class_type !== 'string' || !isRecord(node.inputs)) return undefined;
      const { class_type: className, inputs } = node;
      const description = hasClass(catalogue, className) ? catalogue[className] : undefined;
      if (!isRecord(description)) return undefined;
      const known = knownClass(description);
      text += `\n${written(id)}${known.mark} ${written(className)}`;
      for (const beside of Object.keys(node)) {
        if (beside !== 'class_type' && beside !== 'inputs') text += `${written(beside)}${written(node[beside])}`;
      }
      for (const name of Object.keys(inputs)) {
        const value = inputs[name];
        const described = known.open.get(name);
        const isOpen = described !== undefined && tellsNothing(node as GraphNode, described, value, catalogue);
        text += `${name.length} ${name}${isOpen ? '~' : written(value)}`;
        if (isOpen) open.push({ node: id, input: name, described });
      }
    }
    return { text, open };
  };
}

/** Whether the outline stays the same with what the graph has there now. */
export function isStillOpen(graph: Graph, { node, described }: OpenSlot, catalogue: Catalogue): boolean {
  const now = nodeAt(graph, node);
  return tellsNothing(now, described, now.inputs[described.name], catalogue);
}

/** Only of a class whose inputs are the same whatever their values are. */
function openInputs(description: Readonly<Record<string, unknown>>): ReadonlyMap<string, NodeInput> {
  if (isVarying(description.input)) return new Map();
  const inputs = nodeInputs(description, {});
  const isOnce = (name: string) => inputs.filter((input) => input.name === name).length === 1;
  const open = inputs.filter(({ name, type }) => OPEN_TYPES.includes(type) && !isAmount(name) && isOnce(name));
  return new Map(open.map((input) => [input.name, input]));
}

/** It is taken there, and names no file. */
function tellsNothing(node: GraphNode, input: NodeInput, value: unknown, catalogue: Catalogue): boolean {
  if (typeof value !== 'number' && typeof value !== 'bigint' && typeof value !== 'string') return false;
  if (isModelFile(value) || fileKindOf(node, input.name, catalogue) !== undefined) return false;
  return judgeValue(node.class_type, input, value) === undefined;
}

/** Unlike JSON, no two values look the same. */
function written(value: unknown): string {
  if (typeof value === 'string') return `"${value.length} ${value}`;
  if (Array.isArray(value)) {
    let text = `[${value.length} `;
    for (const one of value) text += written(one);
    return text;
  }
  if (typeof value === 'bigint') return `${value}n `;
  if (typeof value !== 'object' || value === null) return `${String(value)} `;
  const keys = Object.keys(value);
  let text = `{${keys.length} `;
  for (const key of keys) text += written(key) + written((value as Readonly<Record<string, unknown>>)[key]);
  return text;
}
