import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileOf } from '../folders.js';
import type { Folders } from '../nodes/node.js';
import type { NodeValue } from '../nodes/values.js';
import type { Graph } from '../prompt-queue.js';
import { type Json, type JsonObject, writeJson } from '../python.js';

export interface CachedResult {
  readonly outputs: readonly NodeValue[];
  readonly ui: JsonObject | undefined;
  /** The id of the node that computed it, in that node's prompt. */
  readonly nodeId: string;
}

/** How many results fit into memory beside the models. */
const MOST_RESULTS = 2000;

export interface CacheLimits {
  readonly cacheLru: number;
  readonly cacheModels: number;
}

/**
 * Results by the signature of their node: its class, its input values, and the signatures of the nodes that it is
 * linked to. The last prompt's results stay. Older results are dropped prompt by prompt, the least recently used first.
 */
export class ResultCache {
  readonly loras = new KeptLoras();
  private readonly results = new Map<string, CachedResult>();
  /** The number of the prompt that last used each result; the least recently used result comes first. */
  private readonly usedIn = new Map<string, number>();
  private prompt = 0;
  private readonly limits: () => CacheLimits;

  constructor(limits: () => CacheLimits) {
    this.limits = limits;
  }

  get(signature: string): CachedResult | undefined {
    return this.results.get(signature);
  }

  set(signature: string, result: CachedResult): void {
    this.results.set(signature, result);
    this.touch(signature);
    const { cacheModels } = this.limits();
    // ComfyUI checks its memory after every node
    if (cacheModels > 0) this.dropWhile(() => this.results.size > MOST_RESULTS || this.models > cacheModels);
  }

  /** Starts a prompt: marks the results that it can use as used, then drops what exceeds the limit. */
  begin(graph: Graph, signatures: Iterable<string>): void {
    this.loras.begin(graph);
    this.prompt += 1;
    for (const signature of signatures) if (this.results.has(signature)) this.touch(signature);
    const { cacheLru, cacheModels } = this.limits();
    if (cacheModels === 0) this.dropWhile(() => this.results.size > cacheLru);
  }

  clear(): void {
    this.loras.clear();
    this.results.clear();
    this.usedIn.clear();
  }

  /** The number of checkpoints and diffusion models in memory. With a LoRA a model still uses the same weights. */
  private get models(): number {
    const outputs = [...this.results.values()].flatMap((result) => result.outputs);
    return new Set(outputs.flatMap((output) => (output.kind === 'model' ? [output.name] : []))).size;
  }

  private touch(signature: string): void {
    this.usedIn.delete(signature);
    this.usedIn.set(signature, this.prompt);
  }

  private dropWhile(isOver: () => boolean): void {
    while (isOver()) {
      const [oldest = this.prompt] = this.usedIn.values();
      if (oldest === this.prompt) return;
      for (const [signature, used] of this.usedIn) {
        if (used > oldest) break;
        this.results.delete(signature);
        this.usedIn.delete(signature);
      }
    }
  }
}

/** The signature of each node. `changed` holds the hashes of the files that nodes read. */
export function signatures(graph: Graph, changed: ReadonlyMap<string, string>): Map<string, string> {
  const known = new Map<string, string>();
  const sign = (id: string): string => {
    const before = known.get(id);
    if (before !== undefined) return before;
    // Ends the recursion in a cycle. A graph with a cycle cannot be executed anyway.
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

/**
 * The file that each LoRA loader read last. A loader keeps its file as long as consecutive prompts contain its node.
 */
class KeptLoras {
  private readonly files = new Map<string, { readonly classType: string; readonly file: string }>();

  /** Starts a prompt: forgets the nodes that it does not contain. */
  begin(graph: Graph): void {
    for (const [id, { classType }] of this.files) if (graph[id]?.class_type !== classType) this.files.delete(id);
  }

  has(id: string, file: string): boolean {
    return this.files.get(id)?.file === file;
  }

  keep(id: string, classType: string, file: string): void {
    this.files.set(id, { classType, file });
  }

  clear(): void {
    this.files.clear();
  }
}

/**
 * The SHA-256 of the file that each node reads, by node id. An unreadable file gets a new value each time.
 */
export async function fileHashes(graph: Graph, folders: Folders): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  for (const [id, node] of Object.entries(graph)) {
    const file = fileOf(node.class_type, node.inputs ?? {}, folders);
    if (file === undefined) continue;
    const bytes = file === null ? undefined : await readFile(file).catch(() => undefined);
    hashes.set(
      id,
      bytes === undefined ? `missing at ${performance.now()}` : createHash('sha256').update(bytes).digest('hex'),
    );
  }
  return hashes;
}
