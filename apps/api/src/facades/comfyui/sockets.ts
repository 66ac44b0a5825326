import type { Deps } from '../../deps.js';
import type { SocketRoute } from '../../server/sockets.js';
import { socketHub } from './socket/hub.js';

export function comfyuiSockets(deps: Deps): SocketRoute[] {
  const join = socketHub(deps);
  return [
    {
      path: '/comfyui/ws',
      access: 'jobs',
      basic: true,
      connect: (socket, { caller, query }) =>
        join(socket, { key: caller.id, clientId: query.get('clientId'), inOrder: caller.inOrder }),
    },
  ];
}
