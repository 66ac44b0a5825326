import type { RequestListener } from 'node:http';
import type { Deps } from '../deps.js';
import type { Route } from '../server/messages.js';
import type { Dialect } from '../server/problems.js';
import type { SocketRoute } from '../server/sockets.js';
import { comfyV2Dialect } from './comfy-v2/dialect.js';
import { comfyV2Routes } from './comfy-v2/routes.js';
import { comfyuiFacade } from './comfyui/routes.js';
import { openaiDialect } from './openai/dialect.js';
import { openaiRoutes } from './openai/routes.js';

/** Another project's API over the same orders: everything below the prefix of its dialect. */
export interface Facade {
  readonly dialect: Dialect;
  readonly routes: readonly Route[];
  readonly sockets?: readonly SocketRoute[];
  /** Normalises the path of a request and takes keys out of it before anything logs it. */
  readonly arriving?: (request: Parameters<RequestListener>[0]) => void;
}

/** The facades that are switched on. */
export function facades(deps: Deps): Facade[] {
  const { comfyui, comfyV2, openai } = deps.config.compat;
  const all: Facade[] = [];
  if (comfyui) all.push(comfyuiFacade(deps));
  if (comfyV2) all.push({ dialect: comfyV2Dialect, routes: comfyV2Routes(deps) });
  if (openai) all.push({ dialect: openaiDialect, routes: openaiRoutes(deps) });
  return all;
}
