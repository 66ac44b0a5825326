import type { JobRecord } from '@comfy-fleet/jobs';
import { showJson } from '@comfy-fleet/workflows';
import type { Deps } from '../../../deps.js';
import { isRecord } from '../../../server/is-record.js';
import { numberOf } from '../present/numbering.js';
import { promptIdOf } from '../present/prompt-id.js';
import { type PromptOrigin, readOrigin } from '../prompts/origin.js';
import { readGraphSource } from './graph-source.js';

/** What a job was ordered with, each part as JSON, ready to be answered. It never changes. */
export interface PromptParts {
  readonly number: number;
  /** With the names that its caller gave to files. */
  readonly graph: string;
  readonly extraData: string;
  /** Ids of the nodes that were to run. */
  readonly outputs: string;
  /** Of the editor's workflow, if that came along and has one. */
  readonly workflowId: string | undefined;
}

/** Reads them; of a workflow that is no longer there the graph is empty. */
export async function readPromptParts({ ledger }: Deps, record: JobRecord): Promise<PromptParts> {
  const { request, createdAt, client, id } = record;
  const [text, source] = await Promise.all([ledger.jobs.origin(id), ledger.workflows.source(request.version)]);
  const origin = readOrigin(text);
  const { graph, outputs } = readGraphSource(source);
  const wanted = Object.entries(outputs).filter(([name]) => request.outputs?.includes(name) ?? true);
  const extraData = { ...origin.extraData, ...(client === null ? {} : { client_id: client }), create_time: createdAt };
  return {
    number: numberOf(record, origin),
    graph: graph(origin.files),
    extraData: showJson(extraData),
    outputs: JSON.stringify(wanted.map(([, node]) => node)),
    workflowId: workflowIdIn(origin),
  };
}

/** `[number, id, graph, extra_data, outputs]`, as the queue and the history list it. */
export function promptTuple(id: string, { number, graph, extraData, outputs }: PromptParts): string {
  return `[${number},${JSON.stringify(id)},${graph},${extraData},${outputs}]`;
}

/** Without the graph, the extra data and the outputs. */
export function bareEntry(record: JobRecord): string {
  const parts = { number: numberOf(record, {}), graph: '{}', extraData: '{}', outputs: '[]', workflowId: undefined };
  return promptTuple(promptIdOf(record), parts);
}

function workflowIdIn({ extraData }: PromptOrigin): string | undefined {
  const { extra_pnginfo: info } = extraData;
  const workflow = isRecord(info) ? info.workflow : undefined;
  const id = isRecord(workflow) ? workflow.id : undefined;
  return typeof id === 'string' ? id : undefined;
}
