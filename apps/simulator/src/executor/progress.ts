import { Float, type Writable } from '../python.js';

interface NodeProgress {
  readonly value: number | Float;
  readonly max: number | Float;
  readonly state: 'running' | 'finished';
}

/** How far each node of the running prompt is: the content of progress_state frames. */
export class Progress {
  private readonly nodes = new Map<string, NodeProgress>();
  private readonly promptId: string;
  private readonly parents: Parents;

  constructor(promptId: string, parents: Parents) {
    this.promptId = promptId;
    this.parents = parents;
  }

  start(id: string): void {
    this.nodes.set(id, { value: new Float(0), max: new Float(1), state: 'running' });
  }

  update(id: string, value: number, max: number): void {
    this.nodes.set(id, { value, max, state: 'running' });
  }

  finish(id: string): void {
    const max = this.nodes.get(id)?.max ?? new Float(1);
    this.nodes.set(id, { value: max, max, state: 'finished' });
  }

  frame(): Writable {
    const nodes = new Map<string, Writable>();
    for (const [id, { value, max, state }] of this.nodes) {
      nodes.set(id, { value, max, state, ...nodeIdentity(id, this.promptId, this.parents) });
    }
    return { prompt_id: this.promptId, nodes };
  }
}

/** By the ids of nodes that others were expanded to: those others. */
export type Parents = ReadonlyMap<string, string>;

/** The node of the graph itself that this one came from. */
export function realNode(id: string, parents: Parents): string {
  const parent = parents.get(id);
  return parent === undefined ? id : realNode(parent, parents);
}

/** The five names a node goes by in frames; they differ only for nodes that others were expanded to. */
export function nodeIdentity(id: string, promptId: string, parents: Parents) {
  const real = realNode(id, parents);
  const parent = parents.get(id) ?? null;
  return { node_id: id, prompt_id: promptId, display_node_id: real, parent_node_id: parent, real_node_id: real };
}
