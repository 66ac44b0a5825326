import { Float, type Writable } from '../python.js';

interface NodeProgress {
  readonly value: number | Float;
  readonly max: number | Float;
  readonly state: 'running' | 'finished';
}

/** The progress of each node of the running prompt, as sent in progress_state frames. */
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

/** The id of the expanded node, by the ids of the nodes that its expansion created. */
export type Parents = ReadonlyMap<string, string>;

/** The node of the submitted graph from which this one was expanded; itself if it was not. */
export function realNode(id: string, parents: Parents): string {
  const parent = parents.get(id);
  return parent === undefined ? id : realNode(parent, parents);
}

/** The ids of a node in frames. They differ only for nodes that an expansion created. */
export function nodeIdentity(id: string, promptId: string, parents: Parents) {
  const real = realNode(id, parents);
  const parent = parents.get(id) ?? null;
  return { node_id: id, prompt_id: promptId, display_node_id: real, parent_node_id: parent, real_node_id: real };
}
