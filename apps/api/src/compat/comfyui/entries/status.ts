import type { JobRecord } from '@comfy-fleet/jobs';
import { promptIdOf } from './prompt-id.js';

/** One event of a run, as history repeats it. Times are ms since 1970. */
export type Message = readonly [event: string, data: Readonly<Record<string, unknown>>];

export interface RunStatus {
  readonly status_str: 'success' | 'error';
  readonly completed: boolean;
  readonly messages: readonly Message[];
}

const LATE = 'The job waited longer than it may for its beginning.';

/** How a job ended, in ComfyUI's words, which knows no ends but success, error and interruption. */
export function statusOf(record: JobRecord): RunStatus {
  const { status, startedAt, createdAt, timings } = record;
  const about = { prompt_id: promptIdOf(record) };
  const cached = (timings?.nodes ?? []).filter((node) => node.cached).map(({ nodeId }) => nodeId);
  const isSuccess = status === 'succeeded';
  return {
    status_str: isSuccess ? 'success' : 'error',
    completed: isSuccess,
    messages: [
      ['execution_start', { ...about, timestamp: startedAt ?? createdAt }],
      ['execution_cached', { nodes: cached, ...about, timestamp: startedAt ?? createdAt }],
      endOf(record),
    ],
  };
}

/** The event with which the job ended. */
export function endOf(record: JobRecord): Message {
  const { status, finishedAt, error, timings } = record;
  const about = { prompt_id: promptIdOf(record), timestamp: finishedAt ?? 0 };
  if (status === 'succeeded') return ['execution_success', about];
  const executed = (timings?.nodes ?? []).map(({ nodeId }) => nodeId).filter((id) => id !== error?.nodeId);
  const node = nodeOf(record);
  if (status === 'canceled') return ['execution_interrupted', { ...node, executed, ...about }];
  const isLate = status === 'expired';
  return [
    'execution_error',
    {
      ...node,
      executed,
      exception_message: error?.exception?.message ?? (isLate ? LATE : (error?.detail ?? '')),
      exception_type: error?.exception?.type ?? (isLate ? 'expired' : (error?.code ?? 'failed')),
      traceback: error?.exception?.traceback ?? [],
      current_inputs: {},
      current_outputs: [],
      ...about,
    },
  ];
}

/** The node at fault; of what failed outside of nodes there is none, and clients want text there. */
function nodeOf({ error, timings }: JobRecord) {
  const id = error?.nodeId ?? '';
  const className = (timings?.nodes ?? []).find(({ nodeId }) => nodeId === id)?.className;
  return { node_id: id, node_type: error?.exception?.nodeClass ?? className ?? '' };
}
