import { existsSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { freePorts, removeFolder } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { startNginx } from '../src/trials/behind-nginx/nginx.js';

const SECRET = 'a-key-that-no-log-may-have';
const hasNginx = ['/usr/sbin/nginx', '/usr/bin/nginx'].some((path) => existsSync(path));

/** Starts nginx with the operators' site configuration in front of a server that always answers 200. */
async function site() {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-nginx-'));
  const api = createServer((_request, response) => response.end());
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  const [port = 0, statusPort = 0] = await freePorts(2);
  const apis = [{ name: 'api', port: (api.address() as AddressInfo).port }];
  const nginx = await startNginx({ dir, port, statusPort, apis });
  onTestFinished(async () => {
    await nginx.close();
    api.close();
    await removeFolder(dir);
  });
  /** Sends a request unchanged, which an HTTP client would normalise. */
  const send = async (target: string, ...headers: string[]) => {
    const socket = connect(port, '127.0.0.1');
    socket.write([`GET ${target} HTTP/1.1`, 'Host: x', 'Connection: close', ...headers, '', ''].join('\r\n'));
    return text(socket);
  };
  const log = async () => {
    await nginx.close(); // then the log is complete
    return readFile(join(dir, 'nginx-site.log'), 'utf8');
  };
  return { port, send, log };
}

it.skipIf(!hasNginx)('keeps keys out of the access log of nginx, wherever they are in a request', async () => {
  const { port, send, log } = await site();
  const basic = Buffer.from(`${SECRET}:`).toString('base64');
  const requests: string[][] = [
    [`/comfyui/k/${SECRET}/queue`],
    [`/comfyui/k/${SECRET}`],
    [`/ComfyUI/K/${SECRET}/api/ws?clientId=1`],
    [`//comfyui/k/${SECRET}/queue`],
    [`/comfyui//k//${SECRET}/queue`],
    [`/comfyui/%6b/${SECRET}/queue`],
    [`/x/../comfyui/k/${SECRET}/queue`],
    [`http://127.0.0.1:${port}/comfyui/k/${SECRET}/queue`],
    [`/k/${SECRET}/queue`],
    [`/comfyui/queue?token=${SECRET}`],
    [`/comfyui/ws?clientId=1&token=${SECRET}`, 'Upgrade: websocket'],
    [`/images/x.png?signature=${SECRET}`],
    ['/comfyui/queue', `Authorization: Basic ${basic}`],
    ['/jobs', `Referer: http://127.0.0.1:${port}/comfyui/k/${SECRET}/`],
    ['/jobs', `Referer: http://127.0.0.1:${port}/?token=${SECRET}`],
    ['/jobs', `Referer: http://${SECRET}@x/`],
  ];
  for (const [target = '', ...headers] of requests) await send(target, ...headers);
  const written = await log();
  expect(written.trim().split('\n')).toHaveLength(requests.length);
  expect(written).not.toContain(SECRET);
  expect(written).toContain('"GET /comfyui/k/-/queue HTTP/1.1" 200');
  expect(written).toContain(`"GET /jobs HTTP/1.1" 200 0 "http://127.0.0.1:${port}"`);
});
