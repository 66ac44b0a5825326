import { ERROR_CATALOGUE } from '@comfy-fleet/contracts';
import type { JobRecord } from '@comfy-fleet/jobs';
import { promptIdOf } from './prompt-id.js';

/** A message of the socket, which the history repeats: its type and its data. */
export type Message = readonly [type: string, data: Record<string, unknown>];

/** That the job began, and which nodes had results already, as far as that is known by now. */
export function beginning(record: JobRecord): Message[] {
  const about = { prompt_id: promptIdOf(record), timestamp: record.startedAt ?? record.createdAt };
  const timed = (record.timings?.nodes ?? []).filter(({ cached }) => cached).map(({ nodeId }) => nodeId);
  const nodes = record.cachedNodes ?? timed;
  return [
    ['execution_start', about],
    ['execution_cached', { nodes, ...about }],
  ];
}

/** How a job that has ended did so. */
export function ending(record: JobRecord): Message {
  const { status, timings, progress, error } = record;
  const about = { prompt_id: promptIdOf(record), timestamp: record.finishedAt ?? record.createdAt };
  if (status === 'succeeded') return ['execution_success', about];
  // The time of a node at which it ended is known too, but that node is not done.
  const executedBut = (last: string | null | undefined) =>
    (timings?.nodes ?? [])
      .filter(({ cached, ms, nodeId }) => !cached && ms !== null && nodeId !== last)
      .map(({ nodeId }) => nodeId);
  if (status === 'canceled') {
    const node = { node_id: progress.nodeId ?? '', node_type: progress.nodeClass ?? '' };
    return ['execution_interrupted', { ...about, ...node, executed: executedBut(progress.nodeId) }];
  }
  const { detail = EXPIRED, nodeId = null, exception, code = 'timed_out' } = error ?? {};
  return [
    'execution_error',
    {
      ...about,
      node_id: nodeId ?? '',
      node_type: exception?.nodeClass ?? '',
      executed: executedBut(nodeId),
      exception_message: exception?.message || detail,
      exception_type: exception?.type || ERROR_CATALOGUE[code].title,
      traceback: exception?.traceback ?? [],
      current_inputs: {},
      current_outputs: [],
    },
  ];
}

const EXPIRED = 'No instance could begin with the prompt in time; it is not run any more.';

/** What the history has of the messages of a job that has ended. */
export function messagesOf(record: JobRecord): Message[] {
  return [...(record.startedAt === null ? [] : beginning(record)), ending(record)];
}
