import type { Deps } from '../../deps.js';
import type { SocketRoute } from '../../http/sockets.js';

export function comfyuiSockets(_deps: Deps): SocketRoute[] {
  return [];
}
