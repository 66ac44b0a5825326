import { createHash } from 'node:crypto';
import type { Json, JsonObject } from '../json/values.js';
import { writeJson } from '../json/write.js';
import type { NodeValue } from '../nodes/values.js';
import type { Graph } from '../prompt-queue.js';

export interface CachedResult {
  readonly outputs: readonly NodeValue[];
  readonly ui: JsonObject | undefined;
  /** The node that made it, by its id in its own prompt. */
  readonly nodeId: string;
}

/**
 * Results of the last prompt only, by what a node computes and not by its id: the class, the values of its inputs and,
 * through its links, the same of everything above it.
 */
export class ResultCache {
  private results = new Map<string, CachedResult>();

  get(signature: string): CachedResult | undefined {
    return this.results.get(signature);
  }

  set(signature: string, result: CachedResult): void {
    this.results.set(signature, result);
  }

  /** A prompt begins: forgets whatever it cannot use. */
  keepOnly(signatures: ReadonlySet<string>): void {
    for (const signature of this.results.keys()) if (!signatures.has(signature)) this.results.delete(signature);
  }

  clear(): void {
    this.results = new Map();
  }
}

/** The signature of each node. `changed` holds what a node says of its outside world, LoadImage of its file. */
export function signatures(graph: Graph, changed: ReadonlyMap<string, string>): Map<string, string> {
  const known = new Map<string, string>();
  const sign = (id: string): string => {
    const before = known.get(id);
    if (before !== undefined) return before;
    // A cycle ends here; it cannot be executed anyway.
    known.set(id, `cycle at ${id}`);
    const node = graph[id];
    const inputs = Object.entries(node?.inputs ?? {})
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]): Json => {
        const source = Array.isArray(value) ? value[0] : undefined;
        return typeof source === 'string' && Object.hasOwn(graph, source)
          ? [name, 'link', sign(source), (value as Json[])[1] ?? null]
          : [name, value];
      });
    const text = writeJson([node?.class_type ?? null, changed.get(id) ?? null, inputs]);
    const signature = createHash('sha1').update(text).digest('hex');
    known.set(id, signature);
    return signature;
  };
  for (const id of Object.keys(graph)) sign(id);
  return known;
}
