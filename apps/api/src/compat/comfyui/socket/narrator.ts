import type { ExpandedFrom } from '@comfy-fleet/contracts';
import type { JobRecord, Progress } from '@comfy-fleet/jobs';
import { beginning, type Message } from '../present/messages.js';
import { nodeInProgress, nodeUnderWay } from '../present/node-ids.js';
import { promptIdOf } from '../present/prompt-id.js';

interface NodeState {
  readonly value: number;
  readonly max: number;
  readonly state: 'running' | 'finished';
}

/** Tells of one job as ComfyUI tells of a prompt, from its beginning to its end. */
export class Narrator {
  readonly promptId: string;
  #beginning: readonly Message[] | undefined;
  /** The submission whose beginning was told. */
  #submission: string | null = null;
  readonly #nodes = new Map<string, NodeState>();
  readonly #expanded = new Map<string, ExpandedFrom>();
  #current: string | undefined;
  /** Of the current one. */
  #progress: Message | undefined;

  constructor(record: JobRecord) {
    this.promptId = promptIdOf(record);
  }

  /** The job executes; nothing that was told before, unless it began anew. */
  begun(record: JobRecord): Message[] {
    // Whoever looks late does not see that a submission was lost, only that there is another one.
    const isAnother = record.promptId !== null && record.promptId !== this.#submission;
    if (this.#beginning !== undefined && isAnother) this.lost();
    if (this.#beginning !== undefined) return this.progressed(record.progress);
    this.#submission = record.promptId;
    this.#beginning = beginning(record);
    return [...this.#beginning, ...this.progressed(record.progress)];
  }

  /** The job has to begin anew. */
  lost(): void {
    this.#beginning = undefined;
    this.#nodes.clear();
    this.#current = undefined;
    this.#progress = undefined;
  }

  progressed({ nodeId, expandedFrom, step, steps }: Progress): Message[] {
    if (this.#beginning === undefined || nodeId === undefined) return [];
    const messages = this.entered(nodeId, expandedFrom);
    const known = this.#nodes.get(nodeId);
    if (step === null || steps === null || (known?.value === step && known.max === steps)) return messages;
    this.#nodes.set(nodeId, { value: step, max: steps, state: 'running' });
    this.#progress = ['progress', { value: step, max: steps, prompt_id: this.promptId, node: nodeId }];
    return [...messages, this.#progressState(), this.#progress];
  }

  /** A node is under way. Those that it was expanded from go on until it and its like have finished. */
  entered(nodeId: string, expandedFrom?: ExpandedFrom): Message[] {
    if (nodeId === this.#current) return [];
    if (expandedFrom !== undefined) this.#expanded.set(nodeId, expandedFrom);
    const under = this.#parentsOf(nodeId);
    for (const [id, { max, state }] of this.#nodes) {
      if (state === 'running' && !under.has(id)) this.#nodes.set(id, { value: max, max, state: 'finished' });
    }
    this.#current = nodeId;
    this.#progress = undefined;
    this.#nodes.set(nodeId, { value: 0, max: 1, state: 'running' });
    return [this.#progressState(), ...this.executing];
  }

  /** What is to be told before a preview of that node; undefined: it comes too late, or too early. */
  beforePreview(nodeId: string | undefined, expandedFrom?: ExpandedFrom): Message[] | undefined {
    if (this.#beginning === undefined) return undefined;
    if (nodeId === undefined || nodeId === this.#current) return [];
    return this.#nodes.has(nodeId) ? undefined : this.entered(nodeId, expandedFrom);
  }

  /** The node under way. */
  get executing(): Message[] {
    const nodeId = this.#current;
    if (nodeId === undefined) return [];
    const node = nodeUnderWay({ nodeId, expandedFrom: this.#expanded.get(nodeId) });
    return [['executing', { ...node, prompt_id: this.promptId }]];
  }

  /** For who comes late. */
  get soFar(): Message[] {
    if (this.#beginning === undefined) return [];
    const state = this.#current === undefined ? [] : [this.#progressState()];
    const progress = this.#progress === undefined ? [] : [this.#progress];
    return [...this.#beginning, ...state, ...this.executing, ...progress];
  }

  #parentsOf(nodeId: string): ReadonlySet<string> {
    const parents = new Set<string>();
    for (let id = this.#expanded.get(nodeId)?.parent; id !== undefined && !parents.has(id); ) {
      parents.add(id);
      id = this.#expanded.get(id)?.parent;
    }
    return parents;
  }

  #progressState(): Message {
    const nodes = [...this.#nodes].map(([nodeId, state]) => {
      const { node_id, ...ids } = nodeInProgress({ nodeId, expandedFrom: this.#expanded.get(nodeId) });
      return [nodeId, { ...state, node_id, prompt_id: this.promptId, ...ids }];
    });
    return ['progress_state', { prompt_id: this.promptId, nodes: Object.fromEntries(nodes) }];
  }
}
