import { ERROR_CATALOGUE, type ExpandedFrom } from '@comfy-fleet/contracts';
import { type JobRecord, listedOf, type OutputRecord } from '@comfy-fleet/jobs';
import { showMarked } from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import type { Deps } from '../../deps.js';
import type { Caller } from '../../server/gate.js';
import { isRecord } from '../../server/json-body.js';
import { type Origin, readGraphSource, readOrigin } from '../graphs.js';
import { refused } from './dialect.js';

/** The format of prompt ids. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** How many ids one request may list; each one is looked up. */
export const MAX_IDS = 1000;
/**
 * A longer history omits its oldest entries, a longer queue the graphs of its last entries, and a longer page of jobs ends
 * early.
 */
export const MAX_ANSWER_CHARS = 8 * 1024 * 1024;
/** How many prompts of one request are looked up or canceled at a time. */
export const PROMPTS_AT_ONCE = 50;

/** The `prompt_id` that the caller chose, else the id of the job. */
export function promptIdOf({ alias, id }: Pick<JobRecord, 'alias' | 'id'>): string {
  return alias ?? id;
}

/**
 * ComfyUI's number of a prompt, by which clients sort the queue: the number that the caller sent, or else the creation
 * time, negated for a prompt that goes to the front. The time is in seconds, because some clients read 32-bit integers.
 */
export function numberOf({ createdAt, listing: { number, front } }: JobRecord): number {
  const seconds = Math.floor(createdAt / 1000);
  return number ?? (front === true ? -seconds : seconds);
}

/** Finds the caller's job with that prompt id. Ignores jobs from APIs that store no origin. */
export async function ownPrompt(
  { ledger, longJobs }: Deps,
  caller: Caller,
  id: string,
): Promise<JobRecord | undefined> {
  if (!UUID.test(id)) return undefined;
  const record = (await ledger.jobs.byAlias(caller.id, id))?.record;
  if (record?.hasOrigin !== true || promptIdOf(record) !== id) return undefined;
  longJobs.note(id, record);
  return record;
}

/** Reads a list of ids from a field of the body. Throws a ComfyuiRefusal if there are too many. */
export function idsIn(sent: unknown, field: string): string[] {
  const ids = isRecord(sent) ? sent[field] : undefined;
  if (!Array.isArray(ids)) return [];
  if (ids.length > MAX_IDS) throw refused('invalid_request', `${field} has more than ${MAX_IDS} ids`);
  return [...new Set(ids.filter((id): id is string => typeof id === 'string'))];
}

export type PromptParts = Awaited<ReturnType<typeof readParts>>;

export interface ComfyuiDeps extends Deps {
  readonly partsOf: (record: JobRecord) => Promise<PromptParts>;
}

/** The size of a cache entry without its strings. */
const ENTRY_BYTES = 500;

/** Reads the parts of prompts through a cache, because SillyTavern reads the whole history ten times a second. */
export function createPartsOf(deps: Deps): ComfyuiDeps['partsOf'] {
  const kept = new LRUCache<string, PromptParts>({
    maxSize: deps.config.compat.comfyuiCacheBytes,
    // V8 stores strings with one or two bytes per character.
    sizeCalculation: ({ graph, extraData }) => ENTRY_BYTES + 2 * (graph.length + extraData.length),
  });
  return async (record) => {
    const parts = kept.get(record.id) ?? (await readParts(deps, record));
    kept.set(record.id, parts);
    return parts;
  };
}

/** Reads the parts of a prompt, in turns of its key: large ones take tens of milliseconds to parse and write. */
function readParts({ ledger: { jobs }, graphReads, computing }: Deps, record: JobRecord) {
  const { id, key } = record;
  return graphReads(key, async () => {
    const [origin, source] = await Promise.all([jobs.origin(id), jobs.source(record)]);
    return computing(key, () => partsFrom(record, readOrigin(origin), source));
  });
}

/** The parts of the request that queue and history repeat, mostly as JSON. They never change. */
function partsFrom(record: JobRecord, origin: Origin, source: string | undefined) {
  const { request, createdAt, client } = record;
  const { graph, outputs } = source === undefined ? { graph: {}, outputs: {} } : readGraphSource(source, origin);
  const wanted = Object.entries(outputs).filter(([name]) => request.outputs?.includes(name) ?? true);
  const extraData = { ...origin.extraData, ...(client === null ? {} : { client_id: client }), create_time: createdAt };
  return {
    /** With file names as the caller sent them; `{}` if the source of the graph was deleted. */
    graph: showMarked(graph),
    extraData: showMarked(extraData),
    /** Ids of the output nodes. */
    outputs: JSON.stringify(wanted.map(([, node]) => node)),
  };
}

/** A prompt in queue or history: `[number, id, graph, extra_data, outputs]`. Without parts, the last three are empty. */
export function promptTuple(record: JobRecord, parts?: PromptParts): string {
  const { graph = '{}', extraData = '{}', outputs = '[]' } = parts ?? {};
  return `[${numberOf(record)},${JSON.stringify(promptIdOf(record))},${graph},${extraData},${outputs}]`;
}

/** A message of the socket; the history repeats some of them. */
export type Message = readonly [type: string, data: Record<string, unknown>];

/** The messages about the beginning of a job and its cached nodes, as far as the record has them. */
export function beginning(record: JobRecord): Message[] {
  const about = { prompt_id: promptIdOf(record), timestamp: record.startedAt ?? record.createdAt };
  const timed = (record.timings?.nodes ?? []).filter(({ cached }) => cached).map(({ nodeId }) => nodeId);
  const nodes = record.cachedNodes ?? timed;
  return [
    ['execution_start', about],
    ['execution_cached', { nodes, ...about }],
  ];
}

const EXPIRED = 'No instance could begin the prompt in time, so it will not run.';

/** The message about how a job ended. */
export function ending(record: JobRecord): Message {
  const { status, timings, progress, error } = record;
  const about = { prompt_id: promptIdOf(record), timestamp: record.finishedAt ?? record.createdAt };
  if (status === 'succeeded') return ['execution_success', about];
  // The node at which the job ended is also in the timings, but did not finish.
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

/** The entry of /history for a job that has ended, as JSON. */
export function historyEntry(record: JobRecord, parts: PromptParts): string {
  const meta = Object.fromEntries(
    record.outputs.map(({ nodeId, expandedFrom }) => {
      const { display = nodeId, parent = null, real = nodeId } = expandedFrom ?? {};
      return [nodeId, { node_id: nodeId, display_node: display, parent_node: parent, real_node_id: real }];
    }),
  );
  return `{"prompt":${promptTuple(record, parts)},${JSON.stringify({ ...presentEnd(record), meta }).slice(1)}`;
}

/** The outputs of a job that has ended, and how it ended. */
export function presentEnd(record: JobRecord) {
  const completed = record.status === 'succeeded';
  const messages = [...(record.startedAt === null ? [] : beginning(record)), ending(record)];
  const status = { status_str: completed ? 'success' : 'error', completed, messages };
  return { outputs: presentOutputs(record.outputs), status };
}

/** The output of one node: files, texts and flags under the node's own keys. */
type NodeOutput = Record<string, unknown[]>;

/** Outputs by node, as /history and `executed` show them. Files have their stored names. */
export function presentOutputs(outputs: readonly OutputRecord[]): Record<string, NodeOutput> {
  // A node id may be __proto__, so the objects have no prototype.
  const nodes: Record<string, NodeOutput> = Object.create(null);
  for (const output of outputs) {
    const { key, animated, isValues } = listedOf(output);
    nodes[output.nodeId] ??= Object.create(null) as NodeOutput;
    const node = nodes[output.nodeId] as NodeOutput;
    const isText = key === 'text' && output.text !== undefined;
    const shown: NodeOutput = isValues
      ? JSON.parse(output.text ?? '{}')
      : { [key]: [isText ? output.text : presentFile(output)] };
    for (const [name, values] of Object.entries(shown)) node[name] = [...(node[name] ?? []), ...values];
    if (animated) node.animated = [true];
  }
  return nodes;
}

/** A file as ComfyUI lists it; clients pass these fields to GET /view. */
export function presentFile(output: OutputRecord) {
  const { type, format, frameRate } = listedOf(output);
  return {
    filename: output.file,
    subfolder: '',
    type,
    ...(format === undefined ? {} : { format }),
    ...(frameRate === undefined ? {} : { frame_rate: frameRate }),
  };
}

/** The ids of a node in `executing` and `executed`. `expandedFrom`: set for a node that replaces another node. */
export function nodeUnderWay(nodeId: string, expandedFrom: ExpandedFrom | undefined) {
  return { node: nodeId, display_node: expandedFrom?.display ?? nodeId };
}
