import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Fleet, FleetUnreachableError, verifyWebhook, WebhookVerificationError } from '../src/index.js';
import { serverSentEvents } from '../src/server-sent-events.js';

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const problem = (status: number, code: string) => JSON.stringify({ status, code, detail: code, title: code, type: '' });

describe('a request', () => {
  it('is retried under the same Idempotency-Key while errors are temporary', async () => {
    const keys: unknown[] = [];
    const url = await serve((request, response) => {
      keys.push(request.headers['idempotency-key']);
      if (keys.length === 1) return request.socket.destroy();
      if (keys.length === 2) return response.writeHead(429, { 'retry-after': '0' }).end(problem(429, 'queue_full'));
      response.writeHead(202, { 'content-type': 'application/json' }).end('{"id": "j", "status": "queued"}');
    });
    expect((await new Fleet({ url }).generate({ prompt: 'a fox' })).id).toBe('j');
    expect(new Set(keys).size).toBe(1);
    expect(keys).toHaveLength(3);
  });

  it('is not retried after a permanent error or with a long Retry-After', async () => {
    let asked = 0;
    const url = await serve((_request, response) => {
      asked += 1;
      if (asked === 1) return response.writeHead(422).end(problem(422, 'validation_failed'));
      response.writeHead(429, { 'retry-after': '3600' }).end(problem(429, 'gpu_limit_reached'));
    });
    const fleet = new Fleet({ url });
    await expect(fleet.lods()).rejects.toMatchObject({ code: 'validation_failed' });
    await expect(fleet.lods()).rejects.toMatchObject({ code: 'gpu_limit_reached', retryAfterSeconds: 3600 });
    expect(asked).toBe(2);
  });

  it('sends the key to the API, below the path of its URL, and to no other host', async () => {
    const seen: (string | undefined)[] = [];
    const elsewhere = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end('x');
    });
    const output = { name: 'image', kind: 'image', url: `${elsewhere}/files/a.png`, filename: 'a.png', bytes: 1 };
    const url = await serve((request, response) => {
      seen.push(request.headers.authorization, request.url);
      response.end(JSON.stringify({ id: 'j', status: 'succeeded', outputs: [output], images: [] }));
    });
    const job = await new Fleet({ url: `${url}/pictures`, key: 'k' }).jobs.get('j');
    expect(await (await job.outputs[0]?.download())?.text()).toBe('x');
    expect(seen).toEqual(['Bearer k', '/pictures/jobs/j', undefined]);
  });

  it('is aborted by its signal, also during the pause before a retry', async () => {
    const stop = new AbortController();
    const url = await serve((_request, response) => {
      response.writeHead(503, { 'retry-after': '30' }).end(problem(503, 'overloaded'));
      response.once('close', () => stop.abort(new Error('enough')));
    });
    await expect(new Fleet({ url }).lods({ signal: stop.signal })).rejects.toThrow('enough');
  });

  it('reports that nothing answers, or that another server does', async () => {
    const silent = await serve(() => {});
    const late = new Fleet({ url: silent, retries: 0, timeoutMs: 20 }).lods();
    await expect(late).rejects.toThrow(FleetUnreachableError);
    await expect(late).rejects.toThrow(/no answer within 20 ms/);
    const other = await serve((_request, response) => response.writeHead(403).end('<h1>Forbidden</h1>'));
    const refused = new Fleet({ url: other, retries: 0 }).lods();
    await expect(refused).rejects.toMatchObject({ code: 'unexpected_answer', status: 403 });
  });
});

describe('a stream of events', () => {
  it('is parsed however it is split, with comments, ids and every kind of line break', async () => {
    const text =
      'retry: 1\n\n:alive\n\nid: 1\nevent: status\r\ndata: {"a":\r\ndata: 1}\r\n\r\ndata: ü\n\nevent: half\ndata: x';
    const bytes = new TextEncoder().encode(text);
    for (const size of [1, 2, 3, bytes.length]) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
        bytes.slice(n * size, (n + 1) * size),
      );
      const events = [];
      for await (const event of serverSentEvents(ReadableStream.from(chunks))) events.push(event);
      expect(events).toEqual([
        { event: 'status', data: '{"a":\n1}', id: '1' },
        { event: 'message', data: 'ü', id: '1' },
      ]);
    }
  });
});

describe('verifyWebhook', () => {
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  const headers = { 'webhook-id': 'm', 'webhook-timestamp': `${Math.floor(Date.now() / 1000)}` };

  it('rejects webhooks that are unsigned, wrongly signed, or old', async () => {
    const old = { ...headers, 'webhook-timestamp': '1700000000', 'webhook-signature': 'v1,AAAA' };
    for (const given of [headers, { ...headers, 'webhook-signature': 'v1,AAAA v2,?' }, old]) {
      await expect(verifyWebhook(secret, given, '{}')).rejects.toThrow(WebhookVerificationError);
    }
  });
});
