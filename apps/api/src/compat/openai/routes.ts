import type { Deps } from '../../deps.js';
import type { Route } from '../../http/messages.js';

/** OpenAI's images API. */
export function openaiRoutes(_deps: Deps): Route[] {
  return [];
}
