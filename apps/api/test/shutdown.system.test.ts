import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import type { Job } from '@comfy-fleet/contracts';
import { jobClient, startStack, type TestStack, until } from '@comfy-fleet/testing';
import { expect, inject, it, onTestFinished } from 'vitest';
import { readEvents } from './event-stream.js';

async function open(env: Record<string, string> = {}): Promise<TestStack> {
  const stack = await startStack({ redisUrl: inject('redisUrl'), env });
  onTestFinished(() => stack.close());
  return stack;
}

it('answers waiting requests, ends streams with a retry, and finishes a request whose body is arriving, at SIGTERM', async () => {
  const stack = await open();
  const { id } = await jobClient(stack.url).generate({ prompt: 'x' });
  const waiter = fetch(`${stack.url}/jobs/${id}?wait=60`);
  const events = readEvents(await fetch(`${stack.url}/jobs/${id}/events`));
  await events.next();
  const { hostname, port } = new URL(stack.url);
  const upload = connect(Number(port), hostname);
  await once(upload, 'connect');
  const body = JSON.stringify({ prompt: 'half sent' });
  const head = `POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  upload.write(head + body.slice(0, 5));
  await until('the api has all three', async () => {
    const told = await (await fetch(`${stack.api.healthUrl}/metrics`)).text();
    return /^comfy_fleet_http_in_flight 3$/m.test(told);
  });

  const stopped = stack.api.stop('SIGTERM');
  const answer = await waiter;
  expect([answer.status, ((await answer.json()) as Job).status]).toEqual([200, 'queued']);
  expect(await events.rest()).toEqual([]);
  expect(events.retries).toEqual([1000]);
  let answered = '';
  upload.on('data', (chunk: Buffer) => {
    answered += chunk.toString();
  });
  upload.write(body.slice(5));
  await once(upload, 'close');
  expect(answered).toMatch(/^HTTP\/1\.1 202 /);
  await stopped;
  expect(stack.api.exitCode).toBe(0);
});

it('reports that it is unready and continues to accept requests for UNREADY_SECONDS', async () => {
  const stack = await open({ UNREADY_SECONDS: '600' });
  const stopped = stack.api.stop('SIGTERM');
  const unready = await until('/readyz says so', async () => {
    const answer = await fetch(`${stack.url}/readyz`);
    return answer.status === 503 ? answer : undefined;
  });
  expect(await unready.json()).toEqual({ status: 'unavailable', reasons: ['this process is stopping'] });
  // Responses tell load balancers to close the connection.
  expect(unready.headers.get('connection')).toBe('close');
  await jobClient(stack.url).generate({ prompt: 'x' });
  await stack.api.stop('SIGTERM');
  await stopped;
});

it('exits by itself after UNREADY_SECONDS', async () => {
  const stack = await open({ UNREADY_SECONDS: '1' });
  await stack.api.stop('SIGTERM');
  expect(stack.api.exitCode).toBe(0);
});

it('shuts down properly from its first response on, even while a check at the start still hangs', async () => {
  const bucket = createServer();
  bucket.listen(0, '127.0.0.1');
  await once(bucket, 'listening');
  onTestFinished(() => void bucket.close());
  const stack = await open({
    FRAMES_STORE: 's3',
    S3_BUCKET: 'frames',
    S3_ENDPOINT: `http://127.0.0.1:${(bucket.address() as AddressInfo).port}`,
    AWS_ACCESS_KEY_ID: 'id',
    AWS_SECRET_ACCESS_KEY: 'secret',
  });
  await stack.api.stop('SIGTERM');
  expect(stack.api.exitCode).toBe(0);
});

it('exits at once on a second signal of any kind', async () => {
  const stack = await open({ UNREADY_SECONDS: '60' });
  const stopped = stack.api.stop('SIGTERM');
  await until('it is stopping', () => stack.api.output.includes('"stopping"'));
  await stack.api.stop('SIGINT');
  await stopped;
  expect(stack.api.exitCode).toBe(1);
});
