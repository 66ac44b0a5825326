/** One node of a graph in ComfyUI's API format. */
export interface GraphNode {
  readonly class_type: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly _meta?: { readonly title?: string | null | undefined } | undefined;
}

/** A graph in ComfyUI's API format. Integers beyond 2^53 are bigints and keep all their digits. */
export type Graph = Readonly<Record<string, GraphNode>>;

const byNumber = new Intl.Collator('en', { numeric: true });

/** Orders node ids as people count: 2 before 10, and `57:8` after 57. */
export function compareIds(a: string, b: string): number {
  return byNumber.compare(a, b) || (a < b ? -1 : Number(a > b));
}

/** A link is `[node id, output slot]`. */
export function isLink(value: unknown): value is [id: unknown, slot: unknown] {
  return Array.isArray(value) && value.length === 2;
}

/** A node's name for people: `KSampler 5`, followed by its own title if it has one. */
export function nameInGraph(graph: Graph, id: string, knownClass?: string): string {
  const node = Object.hasOwn(graph, id) ? graph[id] : undefined;
  const className = knownClass ?? node?.class_type;
  const title = node?._meta?.title;
  const name = className === undefined ? `node ${id}` : `${className} ${id}`;
  return title === undefined || title === '' || title === className ? name : `${name} ("${title}")`;
}
