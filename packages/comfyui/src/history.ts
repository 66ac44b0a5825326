import { FleetError } from '@comfy-fleet/contracts';
import { executionError } from './execution-error.js';
import type { Graph } from './graph.js';
import {
  type OutputFile,
  type OutputText,
  type OutputValues,
  readAllOutputFiles,
  readTexts,
  readValues,
} from './output-file.js';
import { expandedFrom, isObject, type JsonObject, listOr, numberOr, objectOr, textOr } from './shapes.js';

/** How a prompt ended. */
export interface HistoryEntry {
  readonly outcome: 'success' | 'error' | 'interrupted';
  /** ms since 1970, ComfyUI's clock; undefined if it does not tell. */
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  /**
   * Files of type `output`, in the order of node ids, then in list order. After an error or interrupt those of the
   * nodes that had finished. A prompt answered from the cache names the OLD files.
   */
  readonly outputs: readonly OutputFile[];
  /** Files of other types (PreviewImage writes `temp`). */
  readonly temporary: readonly OutputFile[];
  /** What nodes showed as text. */
  readonly texts: readonly OutputText[];
  /** What nodes showed besides. */
  readonly values: readonly OutputValues[];
  /** With outcome `error`: see executionError. */
  readonly error?: FleetError;
}

/** Reads one entry of GET /history/{id}; undefined if it has not the shape of one. */
export function readHistoryEntry(value: unknown): HistoryEntry | undefined {
  if (!isObject(value) || !isObject(value.status) || !isObject(value.outputs)) return undefined;
  const messages = listOr(value.status.messages).map((message) => {
    const [type, data] = listOr(message);
    return { type: textOr(type), data: objectOr(data) };
  });
  const last = messages.at(-1);
  const failed = messages.find(({ type }) => type === 'execution_error');
  const interrupted = messages.some(({ type }) => type === 'execution_interrupted');
  const started = messages.find(({ type }) => type === 'execution_start');
  const success = value.status.status_str === 'success';
  const withOrigin = <T extends { readonly nodeId: string }>(shown: readonly T[]) =>
    shown.map((one) => ({ ...one, ...originOf(value.meta, one.nodeId) }));
  const files = withOrigin(readAllOutputFiles(value.outputs));
  return {
    // `status_str` calls an interrupt an error
    outcome: success ? 'success' : interrupted ? 'interrupted' : 'error',
    startedAt: numberOr(started?.data.timestamp),
    endedAt: last === started ? undefined : numberOr(last?.data.timestamp),
    outputs: files.filter(({ type }) => type === 'output'),
    temporary: files.filter(({ type }) => type !== 'output'),
    texts: withOrigin(readTexts(value.outputs)),
    values: withOrigin(readValues(value.outputs)),
    ...(success || interrupted ? {} : { error: whyItFailed(failed?.data, value) }),
  };
}

function originOf(meta: unknown, nodeId: string) {
  const { node_id, display_node, parent_node, real_node_id } = objectOr(objectOr(meta)[nodeId]);
  // A result from the cache may have been made by a node of another prompt.
  return node_id === nodeId ? expandedFrom(display_node, parent_node, real_node_id) : {};
}

function whyItFailed(data: JsonObject | undefined, entry: JsonObject): FleetError {
  if (data === undefined) return new FleetError('node_execution_error', 'The workflow failed; ComfyUI gave no reason.');
  return executionError(data, objectOr(listOr(entry.prompt)[2]) as Graph);
}
