import type { ExpandedFrom } from '@comfy-fleet/contracts';
import { expandedFrom, isObject, type JsonObject, listOr, numberOr, objectOr, parseAnswer, textOr } from './json.js';
import { type OutputFile, readOutputFiles } from './output-file.js';

/** The progress of one node. `max` is its number of steps; 1 for a node without steps. */
export interface NodeProgress {
  readonly node: string;
  readonly value: number;
  readonly max: number;
  readonly state: string;
  readonly expandedFrom?: ExpandedFrom;
}

/**
 * Events of the socket. Those of prompts that were submitted without a client id go to all sockets, so compare
 * `promptId`. Times are ms since 1970 by ComfyUI's clock.
 */
export type SocketEvent =
  | { readonly type: 'started'; readonly promptId: string; readonly at: number | undefined }
  /** These nodes are answered from the cache and not executed. */
  | { readonly type: 'cached'; readonly promptId: string; readonly nodes: readonly string[] }
  /** A node begins. Without `promptId` only right after a connect, if a prompt of the client id is running. */
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
   * A picture of the unfinished latent. Metadata names the prompt and the node; a plain frame does not, and is assigned
   * to the latest prompt of this socket, or undefined if there is none.
   */
  | {
      readonly type: 'preview';
      readonly promptId: string | undefined;
      readonly node: string | undefined;
      readonly expandedFrom?: ExpandedFrom;
      readonly contentType: string;
      readonly image: Buffer;
    }
  /** An output node has written its files, or the cache listed the old ones. */
  | { readonly type: 'output'; readonly promptId: string; readonly node: string; readonly files: readonly OutputFile[] }
  /** May arrive some ms before the history entry exists; `idle` follows then. */
  | { readonly type: 'succeeded'; readonly promptId: string; readonly at: number | undefined }
  /** Its history entry has the reason. */
  | { readonly type: 'failed'; readonly promptId: string }
  | { readonly type: 'interrupted'; readonly promptId: string; readonly node: string | undefined }
  /** The prompt has ended and its history entry exists (recorded every time). */
  | { readonly type: 'idle'; readonly promptId: string }
  /** Waiting and running prompts of everybody. Counted when queued, so it may be outdated. */
  | { readonly type: 'queue'; readonly remaining: number };

/** Reads a text frame; undefined for irrelevant or unknown types and other shapes. */
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

/** A picture of a binary frame, with prompt and node if the frame names them. */
interface PreviewFrame {
  readonly promptId: string | undefined;
  readonly node: string | undefined;
  readonly expandedFrom?: ExpandedFrom;
  readonly contentType: string;
  readonly image: Buffer;
}

const PLAIN = 1;
const WITH_METADATA = 4;
const IMAGE_TYPES: Readonly<Record<number, string>> = { 1: 'image/jpeg', 2: 'image/png' };

/**
 * Reads a binary frame; all numbers are 4 bytes big-endian. Plain: 1, image type, image. With metadata: 4, length of a
 * JSON text, the text, image. Undefined for other types (3 is a node's text) and for truncated frames.
 */
function readPreviewFrame(frame: Buffer): PreviewFrame | undefined {
  if (frame.length < 8) return undefined;
  const kind = frame.readUInt32BE(0);
  const second = frame.readUInt32BE(4);
  if (kind === PLAIN) {
    const contentType = IMAGE_TYPES[second];
    if (contentType === undefined) return undefined;
    return { promptId: undefined, node: undefined, contentType, image: frame.subarray(8) };
  }
  const start = 8 + second;
  if (kind !== WITH_METADATA || start > frame.length) return undefined;
  try {
    const about = objectOr(parseAnswer(frame.toString('utf8', 8, start)));
    const contentType = textOr(about.image_type);
    if (contentType === undefined) return undefined;
    return {
      promptId: textOr(about.prompt_id),
      node: textOr(about.node_id),
      ...expandedFrom(about.display_node_id, about.parent_node_id, about.real_node_id),
      contentType,
      image: frame.subarray(start),
    };
  } catch {
    return undefined;
  }
}

/** Reads the frames of one connection in order. Remembers the running prompt, because plain previews do not name it. */
export function createFrameReader(): (data: Buffer, isBinary: boolean) => SocketEvent | undefined {
  let current: { promptId: string; node: string | undefined } | undefined;
  return (data, isBinary) => {
    if (!isBinary) {
      const event = readTextFrame(data.toString('utf8'));
      if (event !== undefined) current = follow(current, event);
      return event;
    }
    const preview = readPreviewFrame(data);
    if (preview === undefined) return undefined;
    const from = preview.promptId === undefined ? current : preview;
    return { type: 'preview', ...preview, promptId: from?.promptId, node: from?.node };
  };
}

function follow(
  current: { promptId: string; node: string | undefined } | undefined,
  event: SocketEvent,
): { promptId: string; node: string | undefined } | undefined {
  switch (event.type) {
    case 'started':
      return { promptId: event.promptId, node: undefined };
    case 'node':
    case 'progress':
      return event.promptId === undefined ? current : { promptId: event.promptId, node: event.node };
    case 'succeeded':
    case 'failed':
    case 'interrupted':
    case 'idle':
      return current?.promptId === event.promptId ? undefined : current;
    default:
      return current;
  }
}
