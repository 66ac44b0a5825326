import { cut } from './wording.js';

/** One node of a graph in ComfyUI's API format: an input is a value, or a link to another node's output. */
export interface GraphNode {
  class_type: string;
  inputs: Record<string, unknown>;
  /** Some clients send `null` for a node without a title. */
  _meta?: { title?: string | null };
}

/**
 * A workflow in ComfyUI's API format, by node id. Integers beyond 2^53 (seeds) are bigints, all other numbers are
 * plain.
 */
export type Graph = Record<string, GraphNode>;

/** `[id of the node, number of its output]`. */
export type Link = readonly [node: string, output: number];

/** The place of a value in a graph. */
export interface Slot {
  readonly node: string;
  readonly input: string;
}

/** The place of an error in a graph: an input of a node, or the node. */
export interface Place {
  readonly node: string;
  readonly input?: string;
}

/** In a graph checked by `readGraph`, this is equivalent to ComfyUI's `is_link`. */
export function isLink(value: unknown): value is Link {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === 'string' && typeof value[1] === 'number';
}

/**
 * Why ComfyUI could treat the value as a link that it does not validate; undefined if it cannot. ComfyUI removes
 * `__value__` after validating links, and Python accepts `true` and numbers of any size as output numbers. A wrong link
 * ends the thread that runs prompts, and the instance executes nothing until it is restarted.
 */
export function linkFault(value: unknown): string | undefined {
  let inside = value;
  while (isWrapped(inside)) inside = inside.__value__;
  if (!Array.isArray(inside) || inside.length !== 2 || typeof inside[0] !== 'string') return undefined;
  const output: unknown = inside[1];
  if (!['number', 'bigint', 'boolean'].includes(typeof output)) return undefined;
  if (inside !== value) return 'contains a link inside "__value__"; write the link without it';
  return Number.isInteger(output) ? undefined : `is linked to output ${String(output)}, which is not a whole number`;
}

function isWrapped(value: unknown): value is { readonly __value__: unknown } {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, '__value__');
}

/** The node of a graph whose links were checked; throws if it is missing, which would be our own bug. */
export function nodeAt(graph: Graph, id: string): GraphNode {
  const node = graph[id];
  if (node === undefined) throw new Error(`there is no node ${id}`);
  return node;
}

export function linkAt(node: GraphNode, input: string): Link | undefined {
  const value = node.inputs[input];
  return isLink(value) ? value : undefined;
}

/** Names of the inputs that are links. */
export function linkedInputs(node: GraphNode): string[] {
  return Object.keys(node.inputs).filter((input) => isLink(node.inputs[input]));
}

export function linksAt(node: GraphNode, inputs: readonly string[]): Link[] {
  return inputs.map((input) => linkAt(node, input)).filter((link) => link !== undefined);
}

/** The link of a node with exactly one, such as a reroute; `except` does not count. */
export function onlyLink(node: GraphNode, except?: string): Link | undefined {
  const links = linksAt(
    node,
    linkedInputs(node).filter((input) => input !== except),
  );
  return links.length === 1 ? links[0] : undefined;
}

/** The ids of the nodes to which a node is linked. */
export const sourcesOf = ({ inputs }: GraphNode): string[] =>
  Object.values(inputs)
    .filter(isLink)
    .map(([id]) => id);

/** Ids of all nodes that the given ones need, themselves included; in an unchecked graph also ids of missing nodes. */
export function upstreamOf(graph: Graph, ids: readonly string[]): Set<string> {
  return reach(ids, (id) => (graph[id] === undefined ? [] : sourcesOf(graph[id])));
}

/** Ids of all nodes that need any of the given ones. */
export function downstreamOf(graph: Graph, ids: readonly string[]): Set<string> {
  const users = new Map(Object.keys(graph).map((id) => [id, [] as string[]]));
  for (const [id, node] of Object.entries(graph)) for (const source of sourcesOf(node)) users.get(source)?.push(id);
  const usersOf = (id: string) => users.get(id) ?? [];
  return reach(ids.flatMap(usersOf), usersOf);
}

function reach(ids: readonly string[], next: (id: string) => readonly string[]): Set<string> {
  const found = new Set<string>();
  const open = [...ids];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    open.push(...next(id));
  }
  return found;
}

/** The nodes that the given ones need; ComfyUI does not run any others. */
export function neededOf(graph: Graph, ids: readonly string[]): Graph {
  const needed = upstreamOf(graph, ids);
  return Object.fromEntries(Object.entries(graph).filter(([id]) => needed.has(id)));
}

/** Longest title or class in a sentence. A graph may have hundreds of errors, each with a node's name. */
const MOST_NAME_CHARS = 100;

/** A node's name for people: `"Sampler" (node 5, KSampler)`. */
export function describeNode(graph: Graph, id: string): string {
  const { class_type, _meta } = nodeAt(graph, id);
  const [className, title] = [cut(class_type, MOST_NAME_CHARS), _meta?.title];
  return title == null ? `node ${id} (${className})` : `"${cut(title, MOST_NAME_CHARS)}" (node ${id}, ${className})`;
}

/** A copy whose inputs can be set. Links and titles are shared, because copying them took most of the time. */
export function copyGraph(graph: Readonly<Graph>): Graph {
  const nodes = Object.entries(graph).map(([id, node]) => [id, { ...node, inputs: { ...node.inputs } }] as const);
  return Object.fromEntries(nodes);
}

export const sameSlot = (a: Slot, b: Slot): boolean => a.node === b.node && a.input === b.input;

export const distinctSlots = (slots: readonly Slot[]): Slot[] =>
  slots.filter((slot, index) => slots.findIndex((other) => sameSlot(other, slot)) === index);

/**
 * Extensions of the files that ComfyUI lists in its model folders (folder_paths.py, supported_pt_extensions), and of
 * formats that custom loaders add.
 */
const MODEL_FILE = /\.(safetensors|sft|ckpt|pt2?|pth|bin|pkl|gguf|onnx)$/i;

/** Whether a graph's value names a model file. */
export function isModelFile(value: unknown): value is string {
  return typeof value === 'string' && MODEL_FILE.test(value);
}
