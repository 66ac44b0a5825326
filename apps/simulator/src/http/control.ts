import type { Engine } from '../engine.js';
import type { Fault } from '../faults.js';
import { isObject, type Writable, writeJson } from '../python.js';
import { SettingsError, type SimulatorSettings, withCamelKeys } from '../settings.js';
import { empty, json, type Reply, type Route, type RouteRequest, tryJson } from './route.js';

/*
 * Routes that ComfyUI does not have: GET and PATCH /simulator/settings; GET, POST and DELETE /simulator/faults,
 * DELETE /simulator/faults/{id}. Names in JSON are snake_case. An invalid request changes nothing and is answered 400
 * with `{"errors": [text]}`.
 */

function patchSettings({ body }: RouteRequest, engine: Engine): Reply {
  return checked(() => {
    engine.change(readCamel(body) as Partial<SimulatorSettings>);
    return json(toSnake(engine.settings));
  });
}

function postFault({ body }: RouteRequest, engine: Engine): Reply {
  return checked(() => json(toSnake(engine.faults.add(readCamel(body) as Fault)), 201));
}

function deleteFaults(_request: RouteRequest, engine: Engine): Reply {
  engine.faults.remove();
  return empty(204);
}

function deleteFault({ params }: RouteRequest, engine: Engine): Reply {
  const id = Number(params.id);
  if (!engine.faults.list().some((fault) => fault.id === id)) return json({ errors: [`no fault ${params.id}`] }, 404);
  engine.faults.remove((fault) => fault.id === id);
  return empty(204);
}

function checked(act: () => Reply): Reply {
  try {
    return act();
  } catch (error) {
    if (error instanceof SettingsError) return json({ errors: error.faults }, 400);
    throw error;
  }
}

function readCamel(body: Buffer): unknown {
  const sent = tryJson(body);
  if (!isObject(sent)) throw new SettingsError(['the body must be a JSON object']);
  return withCamelKeys(JSON.parse(writeJson(sent)) as object);
}

function toSnake(value: object): Writable {
  const snake = (key: string) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [snake(key), member as Writable]));
}

export const controlRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/simulator/settings',
    handle: (_request, engine) => json(toSnake(engine.settings)),
    noApiAlias: true,
  },
  { method: 'PATCH', path: '/simulator/settings', handle: patchSettings, noApiAlias: true },
  {
    method: 'GET',
    path: '/simulator/faults',
    handle: (_request, engine) => json(engine.faults.list().map(toSnake)),
    noApiAlias: true,
  },
  { method: 'POST', path: '/simulator/faults', handle: postFault, noApiAlias: true },
  { method: 'DELETE', path: '/simulator/faults', handle: deleteFaults, noApiAlias: true },
  { method: 'DELETE', path: '/simulator/faults/:id', handle: deleteFault, noApiAlias: true },
];
