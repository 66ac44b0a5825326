import type { Deps } from '../../deps.js';
import type { Route } from '../../http/messages.js';

/** ComfyUI's own API. Every path is also there under `/comfyui/api`; see target.ts. */
export function comfyuiRoutes(_deps: Deps): Route[] {
  return [];
}
