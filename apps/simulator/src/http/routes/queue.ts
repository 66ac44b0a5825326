import type { Engine } from '../../engine.js';
import { promptTuple } from '../../history.js';
import { isObject, isTruthy } from '../../json/values.js';
import { UnforeseenError } from '../../unforeseen-error.js';
import { idsIn, jsonBody, membersOf, tryJson } from '../body.js';
import { empty, json, type Reply, type Route, type RouteRequest } from '../route.js';

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
  if (!isObject(sent)) throw new UnforeseenError('the body is not an object');
  const id = sent.prompt_id;
  if (!isTruthy(id)) engine.interrupt();
  else if (typeof id === 'string') engine.interrupt(id);
  return empty();
}

function postFree({ body }: RouteRequest, engine: Engine): Reply {
  const sent = jsonBody(body);
  if (!isObject(sent)) throw new UnforeseenError('the body is not an object');
  engine.free(isTruthy(sent.unload_models), isTruthy(sent.free_memory));
  return empty();
}

export const queueRoutes: readonly Route[] = [
  { method: 'GET', path: '/queue', handle: getQueue },
  { method: 'POST', path: '/queue', handle: postQueue },
  { method: 'POST', path: '/interrupt', handle: postInterrupt },
  { method: 'POST', path: '/free', handle: postFree },
];
