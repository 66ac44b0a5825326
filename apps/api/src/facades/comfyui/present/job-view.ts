import { isTerminal } from '@comfy-fleet/contracts';
import { type JobRecord, listedOf } from '@comfy-fleet/jobs';
import type { PromptParts } from '../entries/prompt-parts.js';
import { ending } from './messages.js';
import { presentFile } from './outputs.js';
import { promptIdOf } from './prompt-id.js';

/** A job as ComfyUI's GET /api/jobs lists it. Times are ms since 1970; what there is nothing of is left out. */
export interface JobView {
  readonly id: string;
  readonly status: 'pending' | 'in_progress' | 'completed' | 'failed' | 'cancelled';
  readonly priority: number;
  readonly create_time: number;
  readonly outputs_count: number;
  readonly previewable_outputs_count: number;
  readonly execution_start_time?: number;
  readonly execution_end_time?: number;
  readonly execution_error?: object;
  readonly preview_output?: object;
  readonly workflow_id?: string;
}

const STATUSES = {
  queued: 'pending',
  running: 'in_progress',
  canceling: 'in_progress',
  succeeded: 'completed',
  failed: 'failed',
  expired: 'failed',
  canceled: 'cancelled',
} as const;
const PREVIEWABLE: readonly string[] = ['image', 'animation', 'video', 'audio', 'model'];

export function jobView(record: JobRecord, { number, workflowId }: PromptParts): JobView {
  const { status, createdAt, startedAt, finishedAt, outputs } = record;
  const previewable = outputs.filter(({ kind }) => PREVIEWABLE.includes(kind));
  const shown = previewable.find((output) => listedOf(output).type === 'output') ?? previewable[0];
  const hasEnded = isTerminal(status);
  const [event, data] = ending(record);
  return {
    id: promptIdOf(record),
    status: STATUSES[status],
    priority: number,
    create_time: createdAt,
    outputs_count: outputs.length,
    previewable_outputs_count: previewable.length,
    ...(hasEnded && startedAt !== null ? { execution_start_time: startedAt } : {}),
    ...(hasEnded && finishedAt !== null ? { execution_end_time: finishedAt } : {}),
    ...(hasEnded && event === 'execution_error' ? { execution_error: data } : {}),
    ...(shown === undefined
      ? {}
      : { preview_output: { ...presentFile(shown), nodeId: shown.nodeId, mediaType: listedOf(shown).key } }),
    ...(workflowId === undefined ? {} : { workflow_id: workflowId }),
  };
}
