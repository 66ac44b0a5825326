import { setMaxListeners } from 'node:events';
import type { RequestListener } from 'node:http';
import type { Deps } from './deps.js';
import { expressApp } from './http/express-adapter.js';
import { routes } from './routes.js';

/** The whole API as a request listener for node:http. */
export function buildApp(deps: Deps): RequestListener {
  setMaxListeners(0, deps.stopping); // every waiting answer and every stream listens
  const { http, images } = deps.config;
  const limits = { maxJsonBytes: http.maxJsonBytes, maxImageBytes: images.maxBytes };
  return expressApp(routes(deps), limits, deps.log);
}
