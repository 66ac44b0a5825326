import type { ExpandedFrom } from '@comfy-fleet/contracts';
import type { JobRecord, Preview, Progress } from '@comfy-fleet/jobs';
import { beginning, type Message, nodeUnderWay, promptIdOf } from '../prompts.js';

interface NodeState {
  readonly nodeId: string;
  readonly expandedFrom: ExpandedFrom | undefined;
  value: number;
  max: number;
  isFinished: boolean;
  /** The last message about the node's steps. */
  progress?: Message;
}

/** Makes the messages that ComfyUI would send about one prompt. Each method returns only new messages. */
export class Narrator {
  readonly promptId: string;
  #beginning: readonly Message[] | undefined;
  /** The submission whose beginning was sent. */
  #submission: string | null = null;
  readonly #nodes = new Map<string, NodeState>();
  #current: NodeState | undefined;

  constructor(record: JobRecord) {
    this.promptId = promptIdOf(record);
  }

  /** The job has begun, or begun again. */
  begun(record: JobRecord): Message[] {
    return [...this.started(record), ...this.progressed(record.progress)];
  }

  /** Like `begun`, without the progress. */
  started(record: JobRecord): Message[] {
    // We may not have seen that a submission was lost; a new one implies it.
    const isAnother = record.promptId !== null && record.promptId !== this.#submission;
    if (this.#beginning !== undefined && isAnother) this.lost();
    if (this.#beginning !== undefined) return [];
    this.#submission = record.promptId;
    this.#beginning = beginning(record);
    return [...this.#beginning];
  }

  /** The submission was lost, so the job will begin again. */
  lost(): void {
    this.#beginning = undefined;
    this.#nodes.clear();
    this.#current = undefined;
  }

  progressed({ ran = [], nodeId, expandedFrom, step, steps }: Progress): Message[] {
    if (this.#beginning === undefined) return [];
    const messages = ran.flatMap(([id, most, from]) => this.ran(id, most, from));
    if (nodeId === undefined || (nodeId === this.#current?.nodeId && this.#current.isFinished)) return messages;
    messages.push(...this.entered(nodeId, expandedFrom));
    if (step !== null && steps !== null) messages.push(...this.reached(step, steps));
    return messages;
  }

  /** A node has begun. The node that it was expanded from runs until all nodes expanded from it have finished. */
  entered(nodeId: string, from?: ExpandedFrom): Message[] {
    if (nodeId === this.#current?.nodeId && !this.#current.isFinished) return [];
    const expandedFrom = from ?? this.#nodes.get(nodeId)?.expandedFrom;
    const parents = this.#parentsOf(expandedFrom);
    const left = this.#current !== undefined && parents.has(this.#current.nodeId) ? [] : this.#finish();
    for (const node of this.#nodes.values()) if (!parents.has(node.nodeId)) node.isFinished = true;
    this.#current = { nodeId, expandedFrom, value: 0, max: 1, isFinished: false };
    this.#nodes.set(nodeId, this.#current);
    return [...left, ...this.executing];
  }

  /** The current node has reached this step. */
  reached(value: number, max: number): Message[] {
    const node = this.#current;
    if (node === undefined || (node.progress !== undefined && node.value === value && node.max === max)) return [];
    node.progress = ['progress', { value, max, prompt_id: this.promptId, node: node.nodeId }];
    Object.assign(node, { value, max });
    return [node.progress];
  }

  /** A node has finished. `steps`: how many steps it had, or null. */
  ran(nodeId: string, steps: number | null, expandedFrom?: ExpandedFrom): Message[] {
    if (this.#nodes.get(nodeId)?.isFinished) return [];
    const messages = this.entered(nodeId, expandedFrom);
    return [...messages, ...this.#finish(steps)];
  }

  /** All nodes of the prompt have finished. */
  done(): Message[] {
    return this.#finish();
  }

  /** Messages to send before a preview, because some clients require progress first. Undefined if the preview is outdated. */
  beforePreview({ nodeId, expandedFrom, step = 0, steps = 1 }: Preview): Message[] | undefined {
    if (this.#beginning === undefined) return undefined;
    if (nodeId === undefined) return [];
    const node = this.#nodes.get(nodeId);
    if (node !== undefined && (node !== this.#current || node.isFinished)) return undefined;
    const messages = this.entered(nodeId, expandedFrom);
    const { value = 0, progress } = this.#current ?? {};
    return progress !== undefined && step <= value ? messages : [...messages, ...this.reached(step, steps)];
  }

  /** Reports the running node again. */
  get executing(): Message[] {
    return this.#current === undefined ? [] : [this.#executing(this.#current)];
  }

  /** All messages so far, for a new socket. */
  get soFar(): Message[] {
    if (this.#beginning === undefined) return [];
    const allOf = (node: NodeState): Message[] =>
      node.progress === undefined ? [this.#executing(node)] : [this.#executing(node), node.progress];
    const before = [...this.#nodes.values()].filter((node) => node !== this.#current).flatMap(allOf);
    const current = this.#current === undefined ? [] : allOf(this.#current);
    return [...this.#beginning, ...before, ...current];
  }

  #executing(node: NodeState): Message {
    return ['executing', { ...nodeUnderWay(node.nodeId, node.expandedFrom), prompt_id: this.promptId }];
  }

  #finish(steps: number | null = null): Message[] {
    const node = this.#current;
    if (node === undefined) return [];
    const max = steps ?? node.max;
    const hasSteps = steps !== null || node.progress !== undefined;
    const messages = hasSteps && !node.isFinished ? this.reached(max, max) : [];
    Object.assign(node, { value: max, max, isFinished: true });
    return messages;
  }

  #parentsOf(from: ExpandedFrom | undefined): ReadonlySet<string> {
    const parents = new Set<string>();
    for (let id = from?.parent; id !== undefined && !parents.has(id); id = this.#nodes.get(id)?.expandedFrom?.parent) {
      parents.add(id);
    }
    return parents;
  }
}
