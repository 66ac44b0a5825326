import type { Deps } from '../deps.js';
import { comfyV2Dialect } from './comfy-v2/dialect.js';
import { comfyV2Routes } from './comfy-v2/routes.js';
import { comfyuiDialect } from './comfyui/dialect.js';
import { comfyuiRoutes } from './comfyui/routes.js';
import { comfyuiSockets } from './comfyui/sockets.js';
import { arrivingAtComfyui } from './comfyui/target.js';
import type { Facade } from './facade.js';
import { openaiDialect } from './openai/dialect.js';
import { openaiRoutes } from './openai/routes.js';

/** Other people's APIs, those that are switched on. */
export function facades(deps: Deps): Facade[] {
  const { comfyui, comfyV2, openai } = deps.config.compat;
  const all: Facade[] = [];
  if (comfyui) {
    all.push({
      dialect: comfyuiDialect,
      routes: comfyuiRoutes(deps),
      sockets: comfyuiSockets(deps),
      arriving: arrivingAtComfyui,
    });
  }
  if (comfyV2) all.push({ dialect: comfyV2Dialect, routes: comfyV2Routes(deps) });
  if (openai) all.push({ dialect: openaiDialect, routes: openaiRoutes(deps) });
  return all;
}
