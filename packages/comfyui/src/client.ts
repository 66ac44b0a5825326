import type { Readable } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import { readAnswer, unexpectedStatus } from './answers.js';
import { AnswerTooLarge } from './errors.js';
import type { Graph } from './graph.js';
import { type HistoryEntry, readHistoryEntry } from './history.js';
import { createHttp, MAX_ANSWER_BYTES } from './http.js';
import type { Member } from './members.js';
import { readNodeClasses } from './node-classes.js';
import { type ObjectInfo, readObjectInfo } from './object-info.js';
import type { FilePlace } from './output-file.js';
import { findPrompt, type PromptState } from './prompt-state.js';
import { type PromptQueue, readQueue } from './queue.js';
import { isObject, type JsonObject } from './shapes.js';
import { KEPT_PICTURES, SOCKET_PICTURES, socketPictures, withSocketPictures } from './socket-pictures.js';
import { type Submission, submitPrompt } from './submit.js';
import { readSystemStats, type SystemStats } from './system-stats.js';
import type { TakeOutCalls } from './take-out.js';
import { uploadImage } from './upload.js';
import { type ViewedFile, viewFile } from './view.js';

export interface ComfyClientOptions {
  /** `http://host:port`, `https` and a path below the host included. */
  readonly baseUrl: string;
  /** The instance's name, used in errors in place of its URL. */
  readonly instance: string;
  /** Go with every request: what lets us in where a login or a proxy is in front of it. Secrets. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** For one whole answer; for uploads, `view` and `nodeClasses` between two pieces. */
  readonly timeoutMs: number;
}

/**
 * ComfyUI's HTTP API. Every call throws, besides what it documents: `instance_unreachable` (refused, reset, unresolved,
 * silent past the deadline, slower than 1 Mbit/s, 502 to 504; 401 and 403 as its kind CredentialsRefused), `comfyui_error` (any other answer that cannot be understood), and the signal's
 * own reason when the caller aborts.
 */
export interface ComfyClient {
  /**
   * Puts a graph into the queue. Throws `workflow_rejected` with one entry of `errors` per reason; `SubmissionUnknown`
   * when nobody knows whether it was taken. Any other error means that it was not. If ComfyUI refuses only some of the
   * outputs, it runs the others and this call succeeds. In place of SaveImageWebsocket, which keeps no pictures, and of a
   * PreviewImage with a `filename_prefix`, which it would ignore, ComfyUI gets SaveImage.
   */
  submit(graph: Graph, submission: Submission): Promise<void>;
  /** Where the prompt stands, without a gap. `likelyEnded` asks the history first, which then is all. */
  find(promptId: string, signal: AbortSignal, options?: { likelyEnded?: boolean }): Promise<PromptState>;
  /**
   * Undefined while it waits or runs, and for what ComfyUI does not know: it does not tell these apart, `find` does.
   * Throws `output_too_large` for an entry that is too large to be read, and deletes it in ComfyUI.
   */
  history(promptId: string, signal: AbortSignal): Promise<HistoryEntry | undefined>;
  queue(signal: AbortSignal): Promise<PromptQueue>;
  /**
   * Opens a file. The stream ends with an error of the kinds above when the connection breaks or falls silent, and must
   * be read or destroyed. Throws `OutputMissing` if the file is not there.
   */
  view(file: FilePlace, signal: AbortSignal): Promise<ViewedFile>;
  /**
   * Stores a picture among the inputs and answers the name to use in LoadImage, which differs from `name` when other
   * bytes have that name already. `bytes` is the exact length. A stream is consumed or destroyed; its own errors are
   * passed on.
   */
  upload(name: string, data: Readable | Buffer, options: { bytes: number; signal: AbortSignal }): Promise<string>;
  /** Stops the prompt if it is the one running, at its next step or node; otherwise does nothing. */
  interrupt(promptId: string, signal: AbortSignal): Promise<void>;
  /**
   * Takes prompts out of the queue that have not begun. They leave no trace. Running and unknown ones are passed over.
   */
  deleteQueued(promptIds: readonly string[], signal: AbortSignal): Promise<void>;
  /** Takes effect when the current prompt is done. `freeMemory` also empties the result cache. */
  free(what: { unloadModels: boolean; freeMemory: boolean }, signal: AbortSignal): Promise<void>;
  systemStats(signal: AbortSignal): Promise<SystemStats>;
  /** All that GET /object_info says, read: about 700 kB and more, ask rarely. */
  objectInfo(signal: AbortSignal): Promise<ObjectInfo>;
  /** How one node class is described; undefined when the instance does not know it. All know SaveImageWebsocket. */
  nodeClass(signal: AbortSignal, className: string): Promise<JsonObject | undefined>;
  /** All that GET /object_info says, as it says it: 700 kB and more. */
  catalogue(signal: AbortSignal): Promise<JsonObject>;
  /**
   * The same, class by class with the text of each description, while it arrives: for what is asked again and again. Throws
   * `comfyui_error` beyond `maxBytes`.
   */
  nodeClasses(options: { signal: AbortSignal; maxBytes: number }): AsyncIterable<Member>;
  /** The table of GET /node_replacements: what ComfyUI makes of classes that are no more; empty before 0.33. */
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
      // It fills the memory of ComfyUI, which does nothing else while it writes the answer. The error is certain without it.
      await post('/history', { delete: [promptId] }, signal).catch(() => signal.throwIfAborted());
      const detail = `What ComfyUI's history has of this job is larger than ${MAX_ANSWER_BYTES} bytes: its nodes showed or saved too much. Show shorter texts, or save fewer files.`;
      throw new FleetError('output_too_large', detail, { cause });
    }
  };

  const calls: TakeOutCalls = {
    queue,
    interrupt: async (promptId, signal) => {
      // ComfyUI takes an empty id for none and stops whatever runs
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
