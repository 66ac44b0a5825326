import type { ExpandedFrom } from '@comfy-fleet/contracts';
import type { JobRecord, Preview, Progress } from '@comfy-fleet/jobs';
import { beginning, type Message, nodeInProgress, nodeUnderWay } from '../present.js';
import { promptIdOf } from '../prompts.js';
import { PROGRESS_TEXT } from './outlet.js';

interface NodeState {
  readonly value: number;
  readonly max: number;
  readonly state: 'running' | 'finished';
  /** The last message about its steps. */
  readonly progress?: Message | undefined;
  /** The last message with its text. */
  readonly text?: Message | undefined;
}

/** Makes the messages about one job that ComfyUI would send about its prompt. Each method returns those that are new. */
export class Narrator {
  readonly promptId: string;
  #beginning: readonly Message[] | undefined;
  /** The submission whose beginning was sent. */
  #submission: string | null = null;
  readonly #nodes = new Map<string, NodeState>();
  readonly #expanded = new Map<string, ExpandedFrom>();
  #current: string | undefined;

  constructor(record: JobRecord) {
    this.promptId = promptIdOf(record);
  }

  /** The job runs, or runs again. */
  begun(record: JobRecord): Message[] {
    return [...this.started(record), ...this.progressed(record.progress)];
  }

  /** The same, without its progress. */
  started(record: JobRecord): Message[] {
    // The loss of a submission may go unnoticed; another one implies it.
    const isAnother = record.promptId !== null && record.promptId !== this.#submission;
    if (this.#beginning !== undefined && isAnother) this.lost();
    if (this.#beginning !== undefined) return [];
    this.#submission = record.promptId;
    this.#beginning = beginning(record);
    return [...this.#beginning];
  }

  /** The job has to begin again. */
  lost(): void {
    this.#beginning = undefined;
    this.#nodes.clear();
    this.#current = undefined;
  }

  progressed({ ran = [], texts = {}, nodeId, expandedFrom, step, steps }: Progress): Message[] {
    if (this.#beginning === undefined) return [];
    const messages = ran.flatMap(([id, most, from]) => [...this.ran(id, most, from), ...this.#said(id, texts)]);
    if (nodeId === undefined || (nodeId === this.#current && this.#isFinished(nodeId))) return messages;
    messages.push(...this.entered(nodeId, expandedFrom));
    if (step !== null && steps !== null) messages.push(...this.reached(step, steps));
    return [...messages, ...this.#said(nodeId, texts)];
  }

  #said(node: string, texts: NonNullable<Progress['texts']>): Message[] {
    const known = this.#nodes.get(node);
    if (known === undefined || !Object.hasOwn(texts, node)) return [];
    const text: Message = [PROGRESS_TEXT, { node, text: texts[node] }];
    this.#nodes.set(node, { ...known, text });
    return [text];
  }

  /** A node runs. The node that it was expanded from runs until all nodes expanded from it have finished. */
  entered(nodeId: string, expandedFrom?: ExpandedFrom): Message[] {
    if (nodeId === this.#current && !this.#isFinished(nodeId)) return [];
    if (expandedFrom !== undefined) this.#expanded.set(nodeId, expandedFrom);
    const under = this.#parentsOf(nodeId);
    const left = this.#current !== undefined && under.has(this.#current) ? [] : this.#finish();
    this.#finishAllBut(under);
    this.#current = nodeId;
    this.#nodes.set(nodeId, { value: 0, max: 1, state: 'running' });
    return [...left, this.#progressState(), ...this.executing];
  }

  /** The current node has reached this step. */
  reached(value: number, max: number): Message[] {
    const node = this.#current;
    const known = node === undefined ? undefined : this.#nodes.get(node);
    if (node === undefined || known === undefined) return [];
    if (known.progress !== undefined && known.value === value && known.max === max) return [];
    const progress: Message = ['progress', { value, max, prompt_id: this.promptId, node }];
    this.#nodes.set(node, { ...known, value, max, progress });
    return [this.#progressState(), progress];
  }

  /** A node has finished. `steps`: how many it had, if it had any. */
  ran(nodeId: string, steps: number | null, expandedFrom?: ExpandedFrom): Message[] {
    if (this.#isFinished(nodeId)) return [];
    const messages = this.entered(nodeId, expandedFrom);
    return [...messages, ...this.#finish(steps)];
  }

  /** All nodes of the prompt have finished. */
  done(): Message[] {
    if (this.#current === undefined) return [];
    const left = this.#finish();
    this.#finishAllBut(new Set());
    return [...left, this.#progressState()];
  }

  /**
   * The messages that must precede a preview: some clients fail if it comes before the first progress of its node. Undefined
   * if the node has finished, or the prompt has not begun.
   */
  beforePreview({ nodeId, expandedFrom, step = 0, steps = 1 }: Preview): Message[] | undefined {
    if (this.#beginning === undefined) return undefined;
    if (nodeId === undefined) return [];
    if (this.#nodes.has(nodeId) && (nodeId !== this.#current || this.#isFinished(nodeId))) return undefined;
    const messages = this.entered(nodeId, expandedFrom);
    const { value = 0, progress } = this.#nodes.get(nodeId) ?? {};
    return progress !== undefined && step <= value ? messages : [...messages, ...this.reached(step, steps)];
  }

  /** The node that runs. */
  get executing(): Message[] {
    return this.#current === undefined ? [] : [this.#executing(this.#current)];
  }

  /** All messages again, for a socket that comes late. */
  get soFar(): Message[] {
    if (this.#beginning === undefined) return [];
    const allOf = (node: string): Message[] => {
      const { progress, text } = this.#nodes.get(node) ?? {};
      return [this.#executing(node), ...[progress, text].filter((message) => message !== undefined)];
    };
    const before = [...this.#nodes.keys()].filter((id) => id !== this.#current).flatMap(allOf);
    const current = this.#current === undefined ? [] : [this.#progressState(), ...allOf(this.#current)];
    return [...this.#beginning, ...before, ...current];
  }

  #executing(nodeId: string): Message {
    const node = nodeUnderWay({ nodeId, expandedFrom: this.#expanded.get(nodeId) });
    return ['executing', { ...node, prompt_id: this.promptId }];
  }

  #isFinished(nodeId: string): boolean {
    return this.#nodes.get(nodeId)?.state === 'finished';
  }

  #finish(steps: number | null = null): Message[] {
    const node = this.#current;
    const known = node === undefined ? undefined : this.#nodes.get(node);
    if (node === undefined || known === undefined) return [];
    const max = steps ?? known.max;
    const hasSteps = steps !== null || known.progress !== undefined;
    const messages = hasSteps && known.state === 'running' ? this.reached(max, max) : [];
    this.#nodes.set(node, { ...(this.#nodes.get(node) ?? known), value: max, max, state: 'finished' });
    return messages;
  }

  /** Marks these nodes as running, and all others as finished. */
  #finishAllBut(running: ReadonlySet<string>): void {
    for (const [id, node] of this.#nodes) {
      if (!running.has(id)) this.#nodes.set(id, { ...node, value: node.max, state: 'finished' });
      else if (node.state === 'finished') this.#nodes.set(id, { ...node, value: 0, max: 1, state: 'running' });
    }
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
    const nodes = [...this.#nodes].map(([nodeId, { value, max, state }]) => {
      const { node_id, ...ids } = nodeInProgress({ nodeId, expandedFrom: this.#expanded.get(nodeId) });
      return [nodeId, { value, max, state, node_id, prompt_id: this.promptId, ...ids }];
    });
    return ['progress_state', { prompt_id: this.promptId, nodes: Object.fromEntries(nodes) }];
  }
}
