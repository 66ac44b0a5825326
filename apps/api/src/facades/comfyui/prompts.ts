import type { JobRecord } from '@comfy-fleet/jobs';
import { showJson } from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import type { Deps } from '../../deps.js';
import type { Caller } from '../../server/caller.js';
import { isRecord } from '../../server/json-body.js';
import { type Origin, readGraphSource, readOrigin } from '../origin.js';
import { refused } from './dialect.js';
import type { ShareAnswer } from './shared-answers.js';

/** The form of a prompt id. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Ids in one request; each is looked up. */
export const MAX_IDS = 1000;

/** The `prompt_id` that the caller chose, else the id of the job. */
export function promptIdOf({ alias, id }: Pick<JobRecord, 'alias' | 'id'>): string {
  return alias ?? id;
}

/**
 * ComfyUI's number of a prompt, by which clients sort the queue: the caller's own number, or the time of the order, negated
 * for a prompt that goes to the front. Some clients read it as a 32-bit integer, so the time is in seconds since 1970.
 */
export function numberOf(
  { createdAt }: Pick<JobRecord, 'createdAt'>,
  { number, front }: { readonly [Name in 'number' | 'front']?: Origin[Name] | undefined } = {},
): number {
  const seconds = Math.floor(createdAt / 1000);
  return number ?? (front === true ? -seconds : seconds);
}

/** The caller's job with that prompt id, if it came by an API that keeps an origin. */
export async function ownPrompt({ ledger }: Deps, caller: Caller, id: string): Promise<JobRecord | undefined> {
  if (!UUID.test(id)) return undefined;
  const record = (await ledger.jobs.byAlias(caller.id, id))?.record;
  return record?.hasOrigin === true && promptIdOf(record) === id ? asSeen(record) : undefined;
}

/** The record as clients may see it: a job whose end is withheld looks as if it still waited. */
export function asSeen(record: JobRecord): JobRecord {
  return record.isWithheld ? { ...record, status: 'queued', outputs: [] } : record;
}

/** The ids that a field of a body lists. Throws a ComfyuiRefusal if there are too many. */
export function idsIn(sent: unknown, field: string): string[] {
  const ids = isRecord(sent) ? sent[field] : undefined;
  if (!Array.isArray(ids)) return [];
  if (ids.length > MAX_IDS) throw refused('invalid_request', `${field} has more than ${MAX_IDS} ids`);
  return [...new Set(ids.filter((id): id is string => typeof id === 'string'))];
}

/** What a job was ordered with, mostly as JSON. It never changes. */
export interface PromptParts {
  readonly number: number;
  /** With the caller's names of files; `{}` if the source of the graph is gone. */
  readonly graph: string;
  readonly extraData: string;
  /** Ids of the output nodes. */
  readonly outputs: string;
  /** The id of the editor's workflow, if it was sent along. */
  readonly workflowId: string | undefined;
}

export interface ComfyuiDeps extends Deps {
  readonly partsOf: (record: JobRecord) => Promise<PromptParts>;
  readonly share: ShareAnswer;
}

/** Bytes of an entry besides its texts. */
const ENTRY_BYTES = 500;

/** Reads the parts of prompts and keeps them in memory: SillyTavern reads the whole history ten times a second. */
export function createPartsOf(deps: Pick<Deps, 'ledger' | 'config'>): ComfyuiDeps['partsOf'] {
  const kept = new LRUCache<string, PromptParts>({
    maxSize: deps.config.compat.comfyuiCacheBytes,
    // A character may take two bytes.
    sizeCalculation: ({ graph, extraData }) => ENTRY_BYTES + 2 * (graph.length + extraData.length),
  });
  return async (record) => {
    const parts = kept.get(record.id) ?? (await readParts(deps, record));
    kept.set(record.id, parts);
    return parts;
  };
}

async function readParts({ ledger }: Pick<Deps, 'ledger'>, record: JobRecord): Promise<PromptParts> {
  const { request, createdAt, client, id } = record;
  const [text, source] = await Promise.all([ledger.jobs.origin(id), ledger.workflows.source(request.version)]);
  const origin = readOrigin(text);
  const { graph, outputs } = source === undefined ? { graph: {}, outputs: {} } : readGraphSource(source, origin);
  const wanted = Object.entries(outputs).filter(([name]) => request.outputs?.includes(name) ?? true);
  const { extra_pnginfo: info } = origin.extraData;
  const workflow = isRecord(info) && isRecord(info.workflow) ? info.workflow : {};
  const extraData = { ...origin.extraData, ...(client === null ? {} : { client_id: client }), create_time: createdAt };
  return {
    number: numberOf(record, origin),
    graph: showJson(graph),
    extraData: showJson(extraData),
    outputs: JSON.stringify(wanted.map(([, node]) => node)),
    workflowId: typeof workflow.id === 'string' ? workflow.id : undefined,
  };
}

/** `[number, id, graph, extra_data, outputs]`, as queue and history list a prompt. Without parts, the last three are empty. */
export function promptTuple(record: JobRecord, parts?: PromptParts): string {
  const { number = numberOf(record), graph = '{}', extraData = '{}', outputs = '[]' } = parts ?? {};
  return `[${number},${JSON.stringify(promptIdOf(record))},${graph},${extraData},${outputs}]`;
}
