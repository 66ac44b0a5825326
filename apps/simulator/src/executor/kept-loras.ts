import type { Graph } from '../prompt-queue.js';

/** The file that each LoRA loader read last: its object keeps it while prompts that follow each other have that node. */
export class KeptLoras {
  private readonly files = new Map<string, { readonly classType: string; readonly file: string }>();

  /** A prompt begins: nodes that it does not have are gone. */
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
