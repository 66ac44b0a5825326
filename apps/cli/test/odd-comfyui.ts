import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface OddComfyUi {
  readonly url: string;
  close(): Promise<void>;
}

/** A proxy for the ComfyUI `behind` it that shifts its clock, or pretends not to know a node class. */
export async function startOddComfyUi(
  behind: string,
  { lacks, aheadMs = 0 }: { readonly lacks?: string; readonly aheadMs?: number },
): Promise<OddComfyUi> {
  const server = createServer(async ({ url = '/' }, response) => {
    const answer = await fetch(behind + url);
    const body = lacks !== undefined && url === `/object_info/${lacks}` ? '{}' : await answer.text();
    const headers = { 'Content-Type': 'application/json', Date: new Date(Date.now() + aheadMs).toUTCString() };
    response.writeHead(answer.status, headers).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
