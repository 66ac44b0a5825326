import type { Deps } from '../../deps.js';
import type { Route } from '../../http/messages.js';

/** The Comfy API v2 (its specification 2.0.0). */
export function comfyV2Routes(_deps: Deps): Route[] {
  return [];
}
