import { once } from 'node:events';
import { WebSocket } from 'ws';
import { residentBytes } from '../../lib/process-usage.js';
import type { Scope } from '../../lib/scope.js';
import { startApiStack } from './api-stack.js';

export interface Sockets {
  readonly sockets: number;
  /** Of the API's process, in bytes; undefined where the kernel does not tell. */
  readonly before: number | undefined;
  readonly open: number | undefined;
}

/** An API that has just been started gets very many sockets of ComfyUI's, each of a client of its own. */
export function measureSockets(
  all: Scope,
  { core, sockets: count }: { readonly core: string | undefined; readonly sockets: number },
): Promise<Sockets> {
  return all.inner(async (scope) => {
    const stack = await startApiStack(scope, { core });
    const before = await residentBytes(stack.pid);
    const headers = { authorization: `Bearer ${stack.key}` };
    const address = `${stack.url.replace('http', 'ws')}/comfyui/ws`;
    const opening = Array.from({ length: count }, async (_, n) => {
      const socket = new WebSocket(`${address}?clientId=${n}`, { headers });
      scope.onClose(() => socket.terminate());
      await once(socket, 'message'); // the first says how long the queue is
    });
    await Promise.all(opening);
    return { sockets: count, before, open: await residentBytes(stack.pid) };
  });
}
