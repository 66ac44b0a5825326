import { ERROR_CATALOGUE, type ExpandedFrom } from '@comfy-fleet/contracts';
import { type JobRecord, listedOf, type OutputRecord } from '@comfy-fleet/jobs';
import { type PromptParts, promptIdOf, promptTuple } from './prompts.js';

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

const EXPIRED = 'No instance could begin with the prompt in time; it is not run any more.';

/** How a job that has ended did so. */
export function ending(record: JobRecord): Message {
  const { status, timings, progress, error } = record;
  const about = { prompt_id: promptIdOf(record), timestamp: record.finishedAt ?? record.createdAt };
  if (status === 'succeeded') return ['execution_success', about];
  // The node at which the job ended has a time as well, but did not finish.
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
  const meta = Object.fromEntries(record.outputs.map((output) => [output.nodeId, nodeMeta(output)]));
  return `{"prompt":${promptTuple(record, parts)},${JSON.stringify({ ...presentEnd(record), meta }).slice(1)}`;
}

/** The outputs of a job that has ended, and how it ended. */
export function presentEnd(record: JobRecord) {
  const completed = record.status === 'succeeded';
  const messages = [...(record.startedAt === null ? [] : beginning(record)), ending(record)];
  const status = { status_str: completed ? 'success' : 'error', completed, messages };
  return { outputs: presentOutputs(record.outputs), status };
}

/** What one node shows: files, texts and flags under the keys that it chose. */
type NodeOutput = Record<string, unknown[]>;

/** Outputs by node, as /history and `executed` show them; files have the names under which they are stored. */
export function presentOutputs(outputs: readonly OutputRecord[]): Record<string, NodeOutput> {
  // A caller may send __proto__ as the id of a node.
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

/** A file, as GET /view takes it. */
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

/** ComfyUI has other ids for a node that another one put in its own place. */
interface Node {
  readonly nodeId: string;
  readonly expandedFrom?: ExpandedFrom | undefined;
}

/** The ids in `executing` and `executed`. */
export function nodeUnderWay({ nodeId, expandedFrom }: Node) {
  return { node: nodeId, display_node: expandedFrom?.display ?? nodeId };
}

/** The ids in `progress_state` and in previews. */
export function nodeInProgress({ nodeId, expandedFrom }: Node) {
  const { display = nodeId, parent = null, real = nodeId } = expandedFrom ?? {};
  return { node_id: nodeId, display_node_id: display, parent_node_id: parent, real_node_id: real };
}

/** The ids in the `meta` of the history. */
function nodeMeta({ nodeId, expandedFrom }: Node) {
  const { display = nodeId, parent = null, real = nodeId } = expandedFrom ?? {};
  return { node_id: nodeId, display_node: display, parent_node: parent, real_node_id: real };
}
