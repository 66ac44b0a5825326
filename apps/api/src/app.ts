import type { RequestListener } from 'node:http';
import type { Deps } from './deps.js';
import { expressApp } from './http/express-adapter.js';
import { routes } from './routes.js';

/** The whole API as a request listener for node:http. */
export function buildApp(deps: Deps): RequestListener {
  const { http, images } = deps.config;
  const limits = { maxJsonBytes: http.maxJsonBytes, maxImageBytes: images.maxBytes };
  return expressApp(routes(deps), limits, deps.log);
}
