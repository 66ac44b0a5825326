import type { ExpandedFrom } from '@comfy-fleet/contracts';
import { parseAnswer } from './json.js';
import { type OutputFile, readOutputFiles } from './output-file.js';
import { expandedFrom, isObject, type JsonObject, listOr, numberOr, objectOr, textOr } from './shapes.js';

/** How far one node is. `max` is its number of steps; 1 for a node without steps. */
export interface NodeProgress {
  readonly node: string;
  readonly value: number;
  readonly max: number;
  readonly state: string;
  readonly expandedFrom?: ExpandedFrom;
}

/**
 * What the socket tells. Prompts that somebody submitted without a client id are told to everybody, so compare
 * `promptId`. Times are ms since 1970 by ComfyUI's clock.
 */
export type SocketEvent =
  | { readonly type: 'started'; readonly promptId: string; readonly at: number | undefined }
  /** These nodes are answered from the cache and will not be executed. */
  | { readonly type: 'cached'; readonly promptId: string; readonly nodes: readonly string[] }
  /** A node begins. Without `promptId` only right after a connect, for a client id whose prompt is under way. */
  | { readonly type: 'node'; readonly promptId: string | undefined; readonly node: string }
  | {
      readonly type: 'progress';
      readonly promptId: string;
      readonly node: string | undefined;
      readonly value: number;
      readonly max: number;
    }
  /** All nodes that have begun so far. */
  | { readonly type: 'progress_state'; readonly promptId: string; readonly nodes: readonly NodeProgress[] }
  /**
   * A picture of the unfinished latent. Metadata names the prompt and the node; a plain frame does not, and is given to
   * the prompt of which this socket heard last, undefined if there is none.
   */
  | {
      readonly type: 'preview';
      readonly promptId: string | undefined;
      readonly node: string | undefined;
      readonly expandedFrom?: ExpandedFrom;
      readonly contentType: string;
      readonly image: Buffer;
    }
  /** A progress text of a node, such as the price of an API call. Like a plain preview, the frame does not name the prompt. */
  | { readonly type: 'text'; readonly promptId: string | undefined; readonly node: string; readonly text: string }
  /** An output node has written its files, or the cache named the old ones. */
  | { readonly type: 'output'; readonly promptId: string; readonly node: string; readonly files: readonly OutputFile[] }
  /** Can come some ms before the history entry exists: `idle` follows then. */
  | { readonly type: 'succeeded'; readonly promptId: string; readonly at: number | undefined }
  /** Why, says its history entry. */
  | { readonly type: 'failed'; readonly promptId: string }
  | { readonly type: 'interrupted'; readonly promptId: string; readonly node: string | undefined }
  /** The prompt has ended and its history entry exists (recorded every time). */
  | { readonly type: 'idle'; readonly promptId: string }
  /** Prompts waiting and running, everybody's; counted when queued, so it can be out of date. */
  | { readonly type: 'queue'; readonly remaining: number };

/** Reads a text frame. Undefined for frames of no interest, of unknown types and of another shape. */
export function readTextFrame(text: string): SocketEvent | undefined {
  let frame: unknown;
  try {
    frame = parseAnswer(text);
  } catch {
    return undefined;
  }
  if (!isObject(frame)) return undefined;
  const data = objectOr(frame.data);
  if (frame.type === 'status') {
    const remaining = numberOr(objectOr(objectOr(data.status).exec_info).queue_remaining);
    return remaining === undefined ? undefined : { type: 'queue', remaining };
  }
  const promptId = textOr(data.prompt_id);
  const node = textOr(data.node);
  if (frame.type === 'executing' && node !== undefined) return { type: 'node', promptId, node };
  return promptId === undefined ? undefined : readPromptFrame(frame.type, promptId, data);
}

function readPromptFrame(type: unknown, promptId: string, data: JsonObject): SocketEvent | undefined {
  const at = numberOr(data.timestamp);
  const node = textOr(data.node);
  switch (type) {
    case 'execution_start':
      return { type: 'started', promptId, at };
    case 'execution_cached':
      return { type: 'cached', promptId, nodes: listOr(data.nodes).filter((id) => typeof id === 'string') };
    case 'executing':
      return data.node === null ? { type: 'idle', promptId } : undefined;
    case 'progress': {
      const value = numberOr(data.value);
      const max = numberOr(data.max);
      return value === undefined || max === undefined ? undefined : { type: 'progress', promptId, node, value, max };
    }
    case 'progress_state':
      return { type: 'progress_state', promptId, nodes: readNodes(data.nodes) };
    case 'executed':
      return node === undefined
        ? undefined
        : { type: 'output', promptId, node, files: readOutputFiles(node, data.output) };
    case 'execution_success':
      return { type: 'succeeded', promptId, at };
    case 'execution_error':
      return { type: 'failed', promptId };
    case 'execution_interrupted':
      return { type: 'interrupted', promptId, node: textOr(data.node_id) };
    default:
      return undefined;
  }
}

function readNodes(value: unknown): readonly NodeProgress[] {
  return Object.entries(objectOr(value)).map(([node, entry]) => {
    const progress = objectOr(entry);
    return {
      node,
      value: numberOr(progress.value) ?? 0,
      max: numberOr(progress.max) ?? 1,
      state: textOr(progress.state) ?? '',
      ...expandedFrom(progress.display_node_id, progress.parent_node_id, progress.real_node_id),
    };
  });
}
