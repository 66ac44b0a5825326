import { startSimulator, until } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CredentialsRefused, connectSocket, createComfyClient } from '../src/index.js';
import { failureOf, never } from './support/client.js';
import { serve } from './support/local-server.js';
import { serveSocket } from './support/local-socket-server.js';

const SECRET = 'correct-horse-battery-staple';
const HEADERS = { Authorization: `Bearer ${SECRET}`, 'X-API-Key': SECRET };

function clientWith(baseUrl: string, headers: Readonly<Record<string, string>> | undefined) {
  const client = createComfyClient({ baseUrl, instance: 'w/studio', headers, timeoutMs: 5000 });
  onTestFinished(() => client.close());
  return client;
}

/** Opens a socket until the test is over; answers its log. */
function watch(baseUrl: string, headers: Readonly<Record<string, string>>): string[] {
  const lines: string[] = [];
  const write = (message: string, fields: Readonly<Record<string, unknown>>) =>
    void lines.push(`${message} ${JSON.stringify(fields)}`);
  const socket = connectSocket({
    baseUrl,
    instance: 'w/studio',
    headers,
    timeoutMs: 5000,
    pingMs: 60_000,
    onEvent: () => {},
    onState: () => {},
    log: { info: write, warn: write, error: write },
  });
  onTestFinished(() => socket.close());
  return lines;
}

describe('headers of an instance', () => {
  it('are sent with every kind of request, beside its own headers', async () => {
    const server = await serve((_request, response) => {
      response.end('{"name":"a.png","prompt_id":"p","queue_running":[],"queue_pending":[]}');
    });
    const client = clientWith(server.url, HEADERS);
    await client.queue(never());
    await client.interrupt('p', never());
    await client.submit({}, { promptId: 'p', clientId: 'c', signal: never() });
    await client.upload('a.png', Buffer.from('x'), { bytes: 1, signal: never() });
    const { stream } = await client.view({ filename: 'a', subfolder: '', type: 'output' }, never());
    stream.destroy();
    expect(server.seen.map(({ url }) => url.split('?')[0])).toEqual([
      '/queue',
      '/interrupt',
      '/prompt',
      '/upload/image',
      '/view',
    ]);
    for (const { headers, url } of server.seen) {
      expect(headers, url).toMatchObject({ authorization: HEADERS.Authorization, 'x-api-key': SECRET });
    }
    expect(server.seen[2]?.headers['content-type']).toBe('application/json');
  });

  it('are sent with the handshake of the socket', async () => {
    const server = await serveSocket();
    watch(server.url, HEADERS);
    const { headers } = await until('a connection', () => server.connections[0]);
    expect(headers).toMatchObject({ authorization: HEADERS.Authorization, 'x-api-key': SECRET });
  });

  it('are not sent to another host on a redirect', async () => {
    const other = await serve((_request, response) => void response.end('{}'));
    const server = await serve((_request, response) => void response.writeHead(302, { location: other.url }).end());
    const client = clientWith(server.url, HEADERS);
    expect((await failureOf(client.queue(never()))).code).toBe('comfyui_error');
    expect(other.seen).toEqual([]);
  });
});

describe('an instance that refuses our credentials', () => {
  it.each([
    [401, HEADERS, 'refused our credentials (401)', 'check headers of w/studio in COMFYUI_INSTANCES_FILE'],
    [403, HEADERS, 'refused our credentials (403)', 'check headers of w/studio in COMFYUI_INSTANCES_FILE'],
    [401, undefined, 'asks for credentials (401)', 'give w/studio headers in COMFYUI_INSTANCES_FILE'],
    [403, undefined, 'does not let us in (403)', 'give w/studio headers in COMFYUI_INSTANCES_FILE'],
  ])('is recognised by %i, headers %j', async (status, headers, refusal, advice) => {
    const server = await serve((_request, response) => void response.writeHead(status).end());
    const client = clientWith(server.url, headers);
    for (const ask of [
      () => client.systemStats(never()),
      () => client.submit({}, { promptId: 'p', clientId: 'c', signal: never() }),
    ]) {
      const error = await failureOf(ask());
      expect(error).toBeInstanceOf(CredentialsRefused);
      expect(error).toMatchObject({
        code: 'instance_unreachable',
        detail: `The ComfyUI instance w/studio ${refusal}.`,
        mayHaveArrived: false,
        advice,
      });
      expect(JSON.stringify(error) + error.stack).not.toContain(SECRET);
    }
  });

  it('is recognised by 401, but not by the 403 for a file outside its folders', async () => {
    let status = 403;
    const server = await serve((_request, response) => void response.writeHead(status).end());
    const client = clientWith(server.url, HEADERS);
    const file = { filename: 'a', subfolder: '', type: 'output', nodeId: '1' };
    expect(await failureOf(client.view(file, never()))).not.toBeInstanceOf(CredentialsRefused);
    status = 401;
    expect(await failureOf(client.view(file, never()))).toBeInstanceOf(CredentialsRefused);
  });

  it('is reported once in the log of the socket, which opens when the credentials are accepted', async () => {
    const simulator = await startSimulator({ requiredHeader: 'X-API-Key: another' });
    onTestFinished(() => simulator.close());
    const lines = watch(simulator.url, HEADERS);
    await until('a line', () => lines[0]);
    expect(lines[0]).toBe(
      'socket closed {"instance":"w/studio","reason":"it refused our credentials (401): check headers of w/studio in COMFYUI_INSTANCES_FILE"}',
    );
    simulator.set({ requiredHeader: `X-API-Key: ${SECRET}` });
    await until('the socket is open', () => lines.some((line) => line.startsWith('socket open')));
    expect(lines).toHaveLength(2);
    expect(lines.join()).not.toContain(SECRET);
  });
});
