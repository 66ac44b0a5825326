import type { Engine } from './engine.js';
import type { HistoryEntry } from './history.js';
import { isObject, type Json, type JsonObject, toNumber } from './json/values.js';
import type { Writable } from './json/write.js';
import type { QueuedPrompt } from './prompt-queue.js';
import { UnforeseenError } from './unforeseen-error.js';

/** The job view of queue and history, as 0.33 has it under /api/jobs. */
export const STATUSES: readonly string[] = ['pending', 'in_progress', 'completed', 'failed', 'cancelled'];

export interface JobQuery {
  /** Absent: all. */
  readonly statuses: ReadonlySet<string> | undefined;
  readonly workflowId: string | undefined;
  readonly sortBy: 'created_at' | 'execution_duration';
  readonly ascending: boolean;
  readonly limit: number | undefined;
  readonly offset: number;
}

type Job = Readonly<Record<string, Writable>> & { readonly status: string; readonly workflow_id: Writable };

export function listJobs(engine: Engine, query: JobQuery): { readonly jobs: Writable[]; readonly total: number } {
  const { running, pending } = engine.queue;
  const all: Job[] = [...engine.history.values()].map(endedJob);
  if (running !== undefined) all.push(openJob(running, 'in_progress'));
  for (const prompt of pending) all.push(openJob(prompt, 'pending'));
  const chosen = all.filter(
    (job) =>
      (query.statuses?.has(job.status) ?? true) &&
      (query.workflowId === undefined || job.workflow_id === query.workflowId),
  );
  const key = query.sortBy === 'created_at' ? (job: Job) => Number(job.create_time) : duration;
  // Of one millisecond, the later one has the higher count; with `front` it is negative.
  chosen.sort((a, b) => key(a) - key(b) || count(a) - count(b));
  if (!query.ascending) chosen.reverse();
  const end = query.limit === undefined ? undefined : query.offset + query.limit;
  return { jobs: chosen.slice(query.offset, end), total: chosen.length };
}

export function findJob(engine: Engine, id: string): Writable | undefined {
  const { running, pending } = engine.queue;
  if (running?.id === id) return openJob(running, 'in_progress');
  const waiting = pending.find((prompt) => prompt.id === id);
  if (waiting !== undefined) return openJob(waiting, 'pending');
  const entry = engine.history.get(id);
  if (entry === undefined) return undefined;
  const [, , graph, extraData] = entry.prompt;
  return {
    ...endedJob(entry),
    outputs: entry.outputs,
    execution_status: entry.status,
    workflow: { prompt: graph, extra_data: extraData },
  };
}

function count({ priority }: Job): number {
  return Math.abs(toNumber(priority as Json));
}

function duration(job: Job): number {
  return Number(job.execution_end_time ?? 0) - Number(job.execution_start_time ?? 0);
}

function openJob(prompt: QueuedPrompt, status: string): Job {
  return {
    id: prompt.id,
    status,
    priority: prompt.number,
    create_time: prompt.extraData.create_time,
    outputs_count: 0,
    previewable_outputs_count: 0,
    workflow_id: workflowId(prompt.extraData),
  };
}

function endedJob({ prompt: [number, id, , extraData], outputs, status }: HistoryEntry): Job {
  const message = (name: string) => status.messages.find(([event]) => event === name)?.[1];
  const error = message('execution_error');
  const end = message('execution_success') ?? error ?? message('execution_interrupted');
  const pictures = Object.entries(outputs).flatMap(([nodeId, output]) => {
    const images = isObject(output) && Array.isArray(output.images) ? output.images : [];
    return images.filter(isObject).map((image): JsonObject => ({ ...image, nodeId, mediaType: 'images' }));
  });
  // A saved picture stands for the job rather than a temporary one.
  const shown = pictures.find((picture) => picture.type === 'output') ?? pictures[0];
  return {
    id,
    status: status.completed ? 'completed' : error === undefined ? 'cancelled' : 'failed',
    priority: number,
    create_time: extraData.create_time,
    execution_start_time: message('execution_start')?.timestamp,
    execution_end_time: end?.timestamp,
    execution_error: error,
    outputs_count: pictures.length,
    previewable_outputs_count: pictures.length,
    preview_output: shown,
    workflow_id: workflowId(extraData),
  };
}

/** Throws an UnforeseenError, for the whole list, where a client sent something that has no members. */
function workflowId(extraData: JsonObject): Json | undefined {
  return memberOf(memberOf(extraData, 'extra_pnginfo'), 'workflow')?.id;
}

function memberOf(object: JsonObject | undefined, name: string): JsonObject | undefined {
  const member = object?.[name];
  if (member === undefined || isObject(member)) return member;
  throw new UnforeseenError(`${name} is not an object`);
}
