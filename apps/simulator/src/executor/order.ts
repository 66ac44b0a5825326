import type { Graph } from '../prompt-queue.js';
import { isObject, type Json, type JsonObject } from '../python.js';

/**
 * ComfyUI's order of execution, which is topological. Among ready nodes an output comes first, then a node that an
 * output waits for, then a node two links above an output, then the node found first on the way up from the outputs. No
 * node waits for a cached one, and cached nodes run only if they are outputs.
 */
export class ExecutionOrder {
  private readonly pending = new Set<string>();
  private readonly blockers = new Map<string, Set<string>>();
  private readonly blocking = new Map<string, Set<string>>();
  private graph: Graph;
  private readonly isOutput: (id: string) => boolean;

  constructor(
    graph: Graph,
    outputs: readonly string[],
    isCached: (id: string) => boolean,
    isOutput: (id: string) => boolean,
  ) {
    this.graph = graph;
    this.isOutput = isOutput;
    for (const output of outputs) this.add(output, isCached);
  }

  /** The node to run next; undefined when all are done. */
  next(): string | undefined {
    const ready = [...this.pending].filter((id) => this.blockers.get(id)?.size === 0);
    const waiting = (id: string) => [...(this.blocking.get(id) ?? [])];
    return (
      ready.find(this.isOutput) ??
      ready.find((id) => waiting(id).some(this.isOutput)) ??
      ready.find((id) => waiting(id).some((next) => waiting(next).some(this.isOutput))) ??
      ready[0]
    );
  }

  done(id: string): void {
    this.pending.delete(id);
    for (const next of this.blocking.get(id) ?? []) this.blockers.get(next)?.delete(id);
  }

  /** Notes that a node was expanded: the new outputs run as well, and the node runs again after `sources`. */
  expanded(
    graph: Graph,
    {
      id,
      outputs,
      sources,
    }: { readonly id: string; readonly outputs: readonly string[]; readonly sources: readonly string[] },
    isCached: (id: string) => boolean,
  ): void {
    this.graph = graph;
    for (const output of outputs) this.add(output, isCached);
    this.blockedBy(
      id,
      sources.filter((source) => !isCached(source)),
    );
    for (const source of sources) if (!isCached(source)) this.add(source, isCached);
  }

  private add(output: string, isCached: (id: string) => boolean): void {
    const stack = [output];
    for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
      if (this.pending.has(id)) continue;
      this.pending.add(id);
      const sources = linkedNodes(this.graph, id).filter((source) => !isCached(source));
      this.blockedBy(id, sources);
      stack.push(...sources);
    }
  }

  private blockedBy(id: string, sources: readonly string[]): void {
    this.blockers.set(id, new Set(sources));
    for (const source of sources) {
      const blocked = this.blocking.get(source) ?? new Set();
      this.blocking.set(source, blocked.add(id));
    }
  }
}

/** The given nodes and all nodes that they depend on. */
export function nodesAbove(graph: Graph, outputs: readonly string[]): ReadonlySet<string> {
  const found = new Set(outputs);
  // Iterating over a set also visits the elements added meanwhile.
  for (const id of found) for (const source of linkedNodes(graph, id)) found.add(source);
  return found;
}

/** The nodes that this one is linked to, in the order of its inputs, without missing ones. */
function linkedNodes(graph: JsonObject, id: string): string[] {
  const node = graph[id];
  const inputs = isObject(node) ? node.inputs : undefined;
  if (!isObject(inputs)) return [];
  return Object.values(inputs).flatMap((value) => {
    const source = linkSource(value);
    return source !== undefined && Object.hasOwn(graph, source) ? [source] : [];
  });
}

function linkSource(value: Json): string | undefined {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === 'string' ? value[0] : undefined;
}
