import { FleetError } from '@comfy-fleet/contracts';
import { executionError } from './execution-error.js';
import type { Graph } from './graph.js';
import { expandedFrom, isObject, type JsonObject, listOr, numberOr, objectOr, textOr } from './json.js';
import {
  type OutputFile,
  type OutputText,
  type OutputValues,
  readAllOutputFiles,
  readTexts,
  readValues,
} from './output-file.js';

/** How a prompt ended. */
export interface HistoryEntry {
  readonly outcome: 'success' | 'error' | 'interrupted';
  /** ms since 1970 by ComfyUI's clock; undefined if the history has no times. */
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  /**
   * Files of type `output`, in the order of node ids and then of their lists. After an error or interrupt, those of the
   * nodes that had finished. A prompt answered from the cache lists the OLD files.
   */
  readonly outputs: readonly OutputFile[];
  /** Files of other types (PreviewImage writes `temp`). */
  readonly temporary: readonly OutputFile[];
  /** Texts that nodes showed. */
  readonly texts: readonly OutputText[];
  /** Other values that nodes showed. */
  readonly values: readonly OutputValues[];
  /** Set for the outcome `error`; see executionError. */
  readonly error?: FleetError;
}

/** Reads one entry of GET /history/{id}; undefined if it has another shape. */
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
  const graph = new Map(Object.entries(objectOr(listOr(value.prompt)[2])));
  const classOf = (nodeId: string) => {
    const { expandedFrom: from } = originOf(value.meta, nodeId);
    return textOr(objectOr(graph.get(from?.real ?? nodeId)).class_type);
  };
  const files = withOrigin(readAllOutputFiles(value.outputs, classOf));
  return {
    // `status_str` is `error` for an interrupt too.
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

function originOf(meta: unknown, nodeId: string): ReturnType<typeof expandedFrom> {
  const { node_id, display_node, parent_node, real_node_id } = objectOr(objectOr(meta)[nodeId]);
  // A cached result may come from a node of another prompt.
  return node_id === nodeId ? expandedFrom(display_node, parent_node, real_node_id) : {};
}

function whyItFailed(data: JsonObject | undefined, entry: JsonObject): FleetError {
  if (data === undefined) return new FleetError('node_execution_error', 'The workflow failed; ComfyUI gave no reason.');
  return executionError(data, objectOr(listOr(entry.prompt)[2]) as Graph);
}
