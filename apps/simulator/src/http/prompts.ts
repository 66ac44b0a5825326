import { randomUUID } from 'node:crypto';
import { pythonText, toFloat } from '@comfy-fleet/workflows';
import type { Engine } from '../engine.js';
import { promptTuple } from '../history.js';
import type { Graph } from '../prompt-queue.js';
import { Float, isObject, isTruthy, type Json, type JsonObject, UncaughtError, type Writable } from '../python.js';
import { validatePrompt } from '../validate-prompt.js';
import {
  empty,
  idsIn,
  json,
  jsonBody,
  membersOf,
  type Reply,
  type Route,
  type RouteRequest,
  tryJson,
} from './route.js';

const CANONICAL_UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function getPrompt(_request: RouteRequest, engine: Engine): Reply {
  return json(engine.queueInfo());
}

function postPrompt({ body, headers }: RouteRequest, engine: Engine): Reply {
  if (engine.faults.take('reset_before_accepting') !== undefined) return { status: 0, body: { reset: true } };
  const sent = membersOf(jsonBody(body));
  const number = takeNumber(sent, engine);
  if (sent.prompt === undefined) return refused(validatePrompt(sent, engine));
  const id = promptId(sent.prompt_id, engine);
  if (id === undefined) {
    const details =
      'prompt_id must be a UUID string in canonical lowercase hyphenated form; omit it to let the server generate one';
    const error = { type: 'invalid_prompt_id', message: 'prompt_id must be a valid UUID', details, extra_info: {} };
    return refused({ error, node_errors: {} });
  }
  const verdict = validatePrompt(sent, engine);
  const extraData = readExtraData(sent, headers, engine);
  if ('error' in verdict) return refused(verdict);
  engine.submit({ number, id, graph: sent.prompt as unknown as Graph, extraData, outputs: verdict.ok });
  if (engine.faults.take('reset_after_accepting') !== undefined) return { status: 0, body: { reset: true } };
  if (engine.faults.take('error_after_accepting') !== undefined) throw new UncaughtError('planted fault');
  return json({ prompt_id: id, number, node_errors: verdict.node_errors as object as Writable });
}

/** A number chosen by the client does not advance the counter; a refused prompt does. */
function takeNumber(sent: JsonObject, engine: Engine): number | Float {
  if (sent.number === undefined) {
    const number = engine.nextNumber++;
    return isTruthy(sent.front) ? -number : number;
  }
  const converted = toFloat(sent.number);
  if ('fault' in converted) throw new UncaughtError(converted.fault);
  return new Float(Number(converted.value));
}

function promptId(sent: Json | undefined, engine: Engine): string | undefined {
  if (engine.settings.version === '0.3.64') return sent === undefined ? randomUUID() : pythonText(sent);
  if (sent === undefined || sent === null) return randomUUID();
  return typeof sent === 'string' && CANONICAL_UUID.test(sent) ? sent : undefined;
}

function readExtraData(sent: JsonObject, headers: RouteRequest['headers'], engine: Engine): JsonObject {
  const extraData = sent.extra_data === undefined ? {} : sent.extra_data;
  if (!isObject(extraData)) throw new UncaughtError('extra_data is not an object');
  if (sent.client_id !== undefined) extraData.client_id = sent.client_id;
  if (engine.settings.version === '0.3.64') return extraData;
  const source = headers['comfy-usage-source'];
  if (source !== undefined) extraData.comfy_usage_source ??= source;
  extraData.create_time = Date.now();
  return extraData;
}

function refused(answer: object): Reply {
  return json(answer as Writable, 400);
}

export const promptRoutes: readonly Route[] = [
  { method: 'GET', path: '/prompt', handle: getPrompt },
  { method: 'POST', path: '/prompt', handle: postPrompt },
];

function getQueue(_request: RouteRequest, engine: Engine): Reply {
  const { running, pending } = engine.queue;
  const withoutSecrets = engine.settings.version === '0.33.0';
  return json({
    queue_running: running === undefined ? [] : [promptTuple(running, withoutSecrets)],
    queue_pending: pending.map((prompt) => promptTuple(prompt, withoutSecrets)),
  });
}

function postQueue({ body }: RouteRequest, engine: Engine): Reply {
  const sent = membersOf(jsonBody(body));
  if (isTruthy(sent.clear)) engine.queue.clear();
  for (const id of idsIn(sent.delete)) engine.queue.delete(id);
  return empty();
}

function postInterrupt({ body }: RouteRequest, engine: Engine): Reply {
  const sent = tryJson(body) ?? {};
  if (!isObject(sent)) throw new UncaughtError('the body is not an object');
  const id = sent.prompt_id;
  if (!isTruthy(id)) engine.interrupt();
  else if (typeof id === 'string') engine.interrupt(id);
  return empty();
}

function postFree({ body }: RouteRequest, engine: Engine): Reply {
  const sent = jsonBody(body);
  if (!isObject(sent)) throw new UncaughtError('the body is not an object');
  engine.free(isTruthy(sent.unload_models), isTruthy(sent.free_memory));
  return empty();
}

export const queueRoutes: readonly Route[] = [
  { method: 'GET', path: '/queue', handle: getQueue },
  { method: 'POST', path: '/queue', handle: postQueue },
  { method: 'POST', path: '/interrupt', handle: postInterrupt },
  { method: 'POST', path: '/free', handle: postFree },
];

function getHistory({ query }: RouteRequest, engine: Engine): Reply {
  const maxItems = integer(query.get('max_items'));
  const listed = engine.history.list(maxItems, integer(query.get('offset')) ?? -1);
  return json(listed);
}

function getHistoryOf({ params }: RouteRequest, engine: Engine): Reply {
  const id = params.id ?? '';
  const entry = engine.history.get(id);
  return json(entry === undefined ? {} : { [id]: entry });
}

function postHistory({ body }: RouteRequest, engine: Engine): Reply {
  const sent = membersOf(jsonBody(body));
  if (isTruthy(sent.clear)) engine.history.clear();
  for (const id of idsIn(sent.delete)) engine.history.delete(id);
  return empty();
}

function integer(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (!/^\s*[+-]?\d+\s*$/.test(text)) throw new UncaughtError('not a whole number');
  return Number(text);
}

export const historyRoutes: readonly Route[] = [
  { method: 'GET', path: '/history', handle: getHistory },
  { method: 'GET', path: '/history/:id', handle: getHistoryOf },
  { method: 'POST', path: '/history', handle: postHistory },
];
