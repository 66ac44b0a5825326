import { once } from 'node:events';
import { connect } from 'node:net';
import type { Job } from '@comfy-fleet/contracts';
import { jobClient, startFleet, type TestFleet, until } from '@comfy-fleet/testing';
import { expect, inject, it, onTestFinished } from 'vitest';
import { readEvents } from './event-stream.js';

async function open(env: Record<string, string> = {}): Promise<TestFleet> {
  const fleet = await startFleet({ redisUrl: inject('redisUrl'), env });
  onTestFinished(() => fleet.close());
  return fleet;
}

it('answers waiters, ends streams with a retry, and finishes a request whose body is still coming, at SIGTERM', async () => {
  const fleet = await open();
  const { id } = await jobClient(fleet.url).generate({ prompt: 'x' });
  const waiter = fetch(`${fleet.url}/jobs/${id}?wait=60`);
  const events = readEvents(await fetch(`${fleet.url}/jobs/${id}/events`));
  await events.next();
  const { hostname, port } = new URL(fleet.url);
  const upload = connect(Number(port), hostname);
  await once(upload, 'connect');
  const body = JSON.stringify({ prompt: 'half sent' });
  const head = `POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  upload.write(head + body.slice(0, 5));
  await until('the waiter has been heard', () => fleet.api.output.includes('/generate'));

  const stopped = fleet.api.stop('SIGTERM');
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
  expect(fleet.api.exitCode).toBe(0);
});

it('says unready and goes on taking requests for UNREADY_SECONDS first', async () => {
  const fleet = await open({ UNREADY_SECONDS: '1' });
  const stopped = fleet.api.stop('SIGTERM');
  const unready = await until('/readyz says so', async () => {
    const answer = await fetch(`${fleet.url}/readyz`);
    return answer.status === 503 ? answer : undefined;
  });
  expect(await unready.json()).toEqual({ status: 'unavailable', reasons: ['this process is stopping'] });
  // Who balances the load keeps no connection that is about to be closed.
  expect(unready.headers.get('connection')).toBe('close');
  await jobClient(fleet.url).generate({ prompt: 'x' });
  await stopped;
  expect(fleet.api.exitCode).toBe(0);
});

it('ends at once when it is told a second time, by whichever signal', async () => {
  const fleet = await open({ UNREADY_SECONDS: '60' });
  const stopped = fleet.api.stop('SIGTERM');
  await until('it is stopping', () => fleet.api.output.includes('"stopping"'));
  await fleet.api.stop('SIGINT');
  await stopped;
  expect(fleet.api.exitCode).toBe(1);
});
