import type { Engine } from '../../engine.js';
import { isTruthy } from '../../json/values.js';
import { UnforeseenError } from '../../unforeseen-error.js';
import { idsIn, jsonBody, membersOf } from '../body.js';
import { empty, json, type Reply, type Route, type RouteRequest } from '../route.js';

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
  if (!/^\s*[+-]?\d+\s*$/.test(text)) throw new UnforeseenError('not a whole number');
  return Number(text);
}

export const historyRoutes: readonly Route[] = [
  { method: 'GET', path: '/history', handle: getHistory },
  { method: 'GET', path: '/history/:id', handle: getHistoryOf },
  { method: 'POST', path: '/history', handle: postHistory },
];
