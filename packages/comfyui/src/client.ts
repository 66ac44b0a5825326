import type { Readable } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import { AnswerTooLarge } from './errors.js';
import { uploadImage, type ViewedFile, viewFile } from './files.js';
import type { Graph } from './graph.js';
import { type HistoryEntry, readHistoryEntry } from './history.js';
import { createHttp, MAX_ANSWER_BYTES, readAnswer, unexpectedStatus } from './http.js';
import { isObject, type JsonObject } from './json.js';
import { type Member, readNodeClasses } from './node-classes.js';
import { type ObjectInfo, readObjectInfo } from './object-info.js';
import type { FilePlace } from './output-file.js';
import { findPrompt, type PromptQueue, type PromptState, readQueue, type TakeOutCalls } from './queue.js';
import { KEPT_PICTURES, SOCKET_PICTURES, socketPictures, withSocketPictures } from './socket-pictures.js';
import { type Submission, submitPrompt } from './submit.js';
import { readSystemStats, type SystemStats } from './system-stats.js';

export interface ComfyClientOptions {
  /** `http://host:port`; may use `https` and have a path. */
  readonly baseUrl: string;
  /** The instance's name, which errors use instead of its URL. */
  readonly instance: string;
  /** Headers of every request, such as credentials for a login or proxy in front of it. Secrets. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Time for one whole answer; for uploads, `view` and `nodeClasses`, for each piece. */
  readonly timeoutMs: number;
}

/**
 * ComfyUI's HTTP API. Besides what it documents, every call throws: `instance_unreachable` (refused, reset, unresolved,
 * silent past the deadline, slower than 1 Mbit/s, 502 to 504; 401 and 403 as its subclass CredentialsRefused),
 * `comfyui_error` (any other answer that cannot be understood), and the signal's reason when the caller aborts.
 */
export interface ComfyClient {
  /**
   * Puts a graph into the queue. Throws `workflow_rejected` with one entry of `errors` per reason, and
   * `SubmissionUnknown` when nobody knows whether it was accepted. Any other error means that it was not. If ComfyUI
   * refuses only some of the outputs, it runs the others and this call succeeds. ComfyUI gets SaveImage in place of
   * SaveImageWebsocket, which keeps no pictures, and of a PreviewImage with a `filename_prefix`, which it would ignore.
   */
  submit(graph: Graph, submission: Submission): Promise<void>;
  /**
   * The state of the prompt, without a gap between queue and history. `likelyEnded` asks the history first, which is
   * then usually enough.
   */
  find(promptId: string, signal: AbortSignal, options?: { likelyEnded?: boolean }): Promise<PromptState>;
  /**
   * Undefined while it waits or runs, and for a prompt that ComfyUI does not know; `find` distinguishes these. Throws
   * `output_too_large` for an entry that is too large to read, and deletes it in ComfyUI.
   */
  history(promptId: string, signal: AbortSignal): Promise<HistoryEntry | undefined>;
  deleteHistory(promptId: string, signal: AbortSignal): Promise<void>;
  queue(signal: AbortSignal): Promise<PromptQueue>;
  /**
   * Opens a file. The stream ends with one of the errors above when the connection breaks or falls silent, and must be
   * read or destroyed. Throws `OutputMissing` if the file does not exist.
   */
  view(file: FilePlace, signal: AbortSignal): Promise<ViewedFile>;
  /**
   * Stores an input file and answers the name to use in LoadImage, which differs from `name` when a file with other
   * content has that name. `bytes` is the exact length. A stream is consumed or destroyed; its own errors are passed
   * on.
   */
  upload(name: string, data: Readable | Buffer, options: { bytes: number; signal: AbortSignal }): Promise<string>;
  /** Stops the prompt at its next step or node if it is running; otherwise does nothing. */
  interrupt(promptId: string, signal: AbortSignal): Promise<void>;
  /** Takes prompts that have not begun out of the queue, without a trace. Running and unknown ones are ignored. */
  deleteQueued(promptIds: readonly string[], signal: AbortSignal): Promise<void>;
  /** Takes effect when the current prompt has ended. `freeMemory` also empties the result cache. */
  free(what: { unloadModels: boolean; freeMemory: boolean }, signal: AbortSignal): Promise<void>;
  systemStats(signal: AbortSignal): Promise<SystemStats>;
  /** The parsed answer of GET /object_info: 700 kB and more, so ask rarely. */
  objectInfo(signal: AbortSignal): Promise<ObjectInfo>;
  /**
   * The description of one node class; undefined when the instance does not have it. Every instance counts as having
   * SaveImageWebsocket.
   */
  nodeClass(signal: AbortSignal, className: string): Promise<JsonObject | undefined>;
  /** The unparsed JSON of GET /object_info: 700 kB and more. */
  catalogue(signal: AbortSignal): Promise<JsonObject>;
  /**
   * The same while it arrives, class by class with the text of each description, for repeated use. Throws
   * `comfyui_error` beyond `maxBytes`.
   */
  nodeClasses(options: { signal: AbortSignal; maxBytes: number }): AsyncIterable<Member>;
  /** The table of GET /node_replacements, which lists replacements of removed classes; empty before 0.33. */
  nodeReplacements(signal: AbortSignal): Promise<JsonObject>;
  /** Closes idle connections. */
  close(): void;
}

export function createComfyClient({ baseUrl, instance, headers, timeoutMs }: ComfyClientOptions): ComfyClient {
  const http = createHttp({ baseUrl, instance, headers, timeoutMs });

  const get = async <T>(path: string, what: string, signal: AbortSignal, read: (body: unknown) => T | undefined) =>
    readAnswer(instance, what, await http.request({ method: 'GET', path, signal }), read);

  const post = async (path: string, body: object, signal: AbortSignal): Promise<void> => {
    const headers = { 'Content-Type': 'application/json' };
    const asked = { path, isTraced: true, body: JSON.stringify(body), headers, signal };
    const { status } = await http.request({ method: 'POST', ...asked });
    if (status !== 200) throw unexpectedStatus(instance, `POST ${path}`, status);
  };

  const queue = (signal: AbortSignal) => get('/queue', 'GET /queue', signal, readQueue);

  const deleteHistory = (promptId: string, signal: AbortSignal) => post('/history', { delete: [promptId] }, signal);

  const history = async (promptId: string, signal: AbortSignal) => {
    const path = `/history/${encodeURIComponent(promptId)}`;
    try {
      const { entry } = await get(path, 'GET /history', signal, (body) => {
        if (!isObject(body)) return undefined;
        const found = body[promptId];
        if (found === undefined) return { entry: undefined };
        const read = readHistoryEntry(found);
        return read === undefined ? undefined : { entry: read };
      });
      return entry;
    } catch (cause) {
      if (!(cause instanceof AnswerTooLarge)) throw cause;
      // The entry fills ComfyUI's memory and blocks ComfyUI while it is sent. The error is certain even if deleting
      // fails.
      await deleteHistory(promptId, signal).catch(() => signal.throwIfAborted());
      const detail = `What ComfyUI's history has of this job is larger than ${MAX_ANSWER_BYTES} bytes: its nodes showed or saved too much. Show shorter texts, or save fewer files.`;
      throw new FleetError('output_too_large', detail, { cause });
    }
  };

  const calls: TakeOutCalls = {
    queue,
    interrupt: async (promptId, signal) => {
      // ComfyUI treats an empty id as none and stops whatever runs.
      if (promptId === '') throw new TypeError('an empty prompt id would interrupt any prompt');
      await post('/interrupt', { prompt_id: promptId }, signal);
    },
    deleteQueued: async (promptIds, signal) => {
      if (promptIds.length > 0) await post('/queue', { delete: promptIds }, signal);
    },
  };

  const nodeClass = async (signal: AbortSignal, className: string): Promise<JsonObject | undefined> => {
    const path = `/object_info/${encodeURIComponent(className)}`;
    const { found } = await get(path, 'GET /object_info', signal, (body) => {
      if (!isObject(body)) return undefined;
      const described = Object.hasOwn(body, className) ? body[className] : undefined;
      return { found: isObject(described) ? described : undefined };
    });
    return found;
  };

  return {
    submit: (graph, submission) => submitPrompt({ http, calls }, instance, graph, submission),
    find: (promptId, signal, { likelyEnded } = {}) => findPrompt({ queue, history }, promptId, signal, likelyEnded),
    history,
    deleteHistory,
    view: (file, signal) => viewFile(http, instance, file, signal),
    upload: (name, data, options) => uploadImage(http, instance, name, data, options),
    ...calls,
    free: ({ unloadModels, freeMemory }, signal) =>
      post('/free', { unload_models: unloadModels, free_memory: freeMemory }, signal),
    systemStats: (signal) => get('/system_stats', 'GET /system_stats', signal, readSystemStats),
    objectInfo: (signal) => get('/object_info', 'GET /object_info', signal, readObjectInfo),
    nodeClass: async (signal, className) => {
      const found = await nodeClass(signal, className);
      if (found !== undefined || className !== SOCKET_PICTURES) return found;
      const kept = await nodeClass(signal, KEPT_PICTURES);
      return socketPictures((name) => name === KEPT_PICTURES && kept !== undefined);
    },
    catalogue: (signal) =>
      get('/object_info', 'GET /object_info', signal, (body) =>
        readObjectInfo(body) ? (body as JsonObject) : undefined,
      ),
    nodeClasses: (options) => withSocketPictures(readNodeClasses(http, instance, options)),
    nodeReplacements: async (signal) => {
      const answer = await http.request({ method: 'GET', path: '/node_replacements', signal });
      if (answer.status === 404) return {};
      return readAnswer(instance, 'GET /node_replacements', answer, (body) => (isObject(body) ? body : undefined));
    },
    close: () => http.close(),
  };
}
