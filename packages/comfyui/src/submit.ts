import { FleetError } from '@comfy-fleet/contracts';
import { stringify } from 'lossless-json';
import { InstanceUnreachable, SubmissionUnknown } from './errors.js';
import type { Graph } from './graph.js';
import { type Http, type HttpAnswer, readAnswer, unexpectedStatus } from './http.js';
import { isObject, parseAnswer, textOr } from './json.js';
import { readObjectInfo } from './object-info.js';
import { type TakeOutCalls, takeOut } from './queue.js';
import { classesToLookUp, rejection } from './rejection.js';
import { keepPictures } from './socket-pictures.js';

const WHAT = 'POST /prompt';

export interface Submission {
  /** A canonical lower-case UUID, never used before, because the same id twice runs twice. */
  readonly promptId: string;
  /** The socket's `clientId`. */
  readonly clientId: string;
  /** The caller's comfy.org key for paid nodes. A secret. */
  readonly comfyKey?: string | undefined;
  /** Other data that ComfyUI gets as `extra_data`; large integers as bigints. */
  readonly extraData?: Readonly<Record<string, unknown>> | undefined;
  readonly signal: AbortSignal;
}

/** POST /prompt; see `ComfyClient.submit`. */
export async function submitPrompt(
  { http, calls }: { readonly http: Http; readonly calls: TakeOutCalls },
  instance: string,
  graph: Graph,
  { promptId, clientId, comfyKey, extraData, signal }: Submission,
): Promise<void> {
  const secret = comfyKey === undefined ? {} : { api_key_comfy_org: comfyKey };
  const extra = extraData === undefined && comfyKey === undefined ? {} : { extra_data: { ...extraData, ...secret } };
  const body = stringify({
    prompt: titled(keepPictures(graph, promptId)),
    prompt_id: promptId,
    client_id: clientId,
    ...extra,
  });
  if (body === undefined) throw new TypeError('a graph must be an object');
  const answer = await post(http, body, signal);
  if (answer.status === 400) throw await refused(http, answer, graph, signal);
  if (answer.status === 413) {
    throw new FleetError('workflow_rejected', 'The workflow is larger than ComfyUI takes in one request.');
  }
  if (answer.status >= 500) {
    const error = unexpectedStatus(instance, WHAT, answer.status);
    const code = error instanceof InstanceUnreachable ? 'instance_unreachable' : 'comfyui_error';
    throw new SubmissionUnknown(code, error.detail, error);
  }
  if (answer.status !== 200) throw unexpectedStatus(instance, WHAT, answer.status);
  const accepted = acceptedId(instance, answer);
  if (accepted !== promptId) {
    const isGone = accepted !== '' && (await takeOut(calls, accepted));
    const left = isGone ? '' : ' The prompt may still run there.';
    const detail = `The ComfyUI instance ${instance} gave the prompt an id of its own; it is too old, update it.${left}`;
    throw new FleetError('comfyui_error', detail);
  }
}

/** ComfyUI renames old classes, and answers 500 if a node of such a class has no title. */
function titled(graph: Graph): Graph {
  return Object.fromEntries(
    Object.entries(graph).map(([id, node]) => [
      id,
      node._meta === undefined ? { ...node, _meta: { title: node.class_type } } : node,
    ]),
  );
}

async function post(http: Http, body: string, signal: AbortSignal): Promise<HttpAnswer> {
  try {
    return await http.request({
      method: 'POST',
      path: '/prompt',
      isTraced: true,
      body,
      headers: { 'Content-Type': 'application/json' },
      signal,
    });
  } catch (error) {
    if (!(error instanceof InstanceUnreachable) || !error.mayHaveArrived) throw error;
    throw new SubmissionUnknown('instance_unreachable', error.detail, error);
  }
}

function acceptedId(instance: string, answer: HttpAnswer): string {
  try {
    return readAnswer(instance, WHAT, answer, (body) => (isObject(body) ? textOr(body.prompt_id) : undefined));
  } catch (error) {
    // It answered 200, so the prompt may be in the queue.
    throw new SubmissionUnknown('comfyui_error', error instanceof FleetError ? error.detail : String(error), error);
  }
}

async function refused(http: Http, { text }: HttpAnswer, graph: Graph, signal: AbortSignal): Promise<FleetError> {
  let body: unknown;
  try {
    body = parseAnswer(text);
  } catch {
    return rejection(undefined, graph, () => undefined);
  }
  const infos = await Promise.all(classesToLookUp(body).map((name) => describeClass(http, name, signal)));
  return rejection(body, graph, (className, input) => {
    for (const info of infos) {
      const choices = info?.choices(className, input);
      if (choices !== undefined) return choices;
    }
    return undefined;
  });
}

/** Only for details of a certain error; on failure these are omitted. */
async function describeClass(http: Http, className: string, signal: AbortSignal) {
  try {
    const answer = await http.request({
      method: 'GET',
      path: `/object_info/${encodeURIComponent(className)}`,
      signal,
    });
    return readObjectInfo(parseAnswer(answer.text));
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
