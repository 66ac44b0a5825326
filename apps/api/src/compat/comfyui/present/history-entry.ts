import type { JobRecord } from '@comfy-fleet/jobs';
import { type Message, messagesOf } from './messages.js';
import { type NodeOutput, presentOutputs } from './outputs.js';
import { promptIdOf } from './prompt-id.js';

/** What was sent to POST /prompt, as the queue and the history repeat it. */
export interface SentPrompt {
  readonly number: number;
  readonly graph: unknown;
  readonly extraData: Readonly<Record<string, unknown>>;
  /** Ids of the output nodes that are run. */
  readonly outputs: readonly string[];
}

export type PromptTuple = readonly [
  number: number,
  id: string,
  graph: unknown,
  extraData: Readonly<Record<string, unknown>>,
  outputs: readonly string[],
];

export interface HistoryEntry {
  readonly prompt: PromptTuple;
  readonly outputs: Record<string, NodeOutput>;
  readonly status: {
    readonly status_str: 'success' | 'error';
    readonly completed: boolean;
    readonly messages: readonly Message[];
  };
  readonly meta: Record<string, object>;
}

/** A job as /queue and /history name it. */
export function promptTuple(record: JobRecord, { number, graph, extraData, outputs }: SentPrompt): PromptTuple {
  return [number, promptIdOf(record), graph, extraData, outputs];
}

/** A job that has ended, as /history shows it. */
export function historyEntry(record: JobRecord, sent: SentPrompt): HistoryEntry {
  const outputs = presentOutputs(record.outputs);
  const completed = record.status === 'succeeded';
  const meta = (id: string) => ({ node_id: id, display_node: id, parent_node: null, real_node_id: id });
  return {
    prompt: promptTuple(record, sent),
    outputs,
    status: { status_str: completed ? 'success' : 'error', completed, messages: messagesOf(record) },
    meta: Object.fromEntries(Object.keys(outputs).map((id) => [id, meta(id)])),
  };
}
