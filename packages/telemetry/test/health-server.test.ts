import { Writable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { createLogger, createMetrics, type HealthServer, startHealthServer } from '../src/index.js';

const logged: string[] = [];
const stream = new Writable({
  write(chunk, _encoding, done) {
    logged.push(String(chunk));
    done();
  },
});
const log = createLogger({ service: 'test', level: 'error', format: 'json', stream });

const metrics = createMetrics({ service: 'test', log });

let server: HealthServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
  logged.length = 0;
});

const start = async (ready: () => Promise<readonly string[]>) => {
  server = await startHealthServer({ host: '127.0.0.1', port: 0, ready, metrics, log });
  return `http://127.0.0.1:${server.port}`;
};

describe('the health server', () => {
  it('answers /livez 200 without the readiness check', async () => {
    const url = await start(() => Promise.reject(new Error('not to be asked')));
    const answer = await fetch(`${url}/livez`);
    expect([answer.status, await answer.json()]).toEqual([200, { status: 'ok', reasons: [] }]);
    expect(logged).toEqual([]);
  });

  it('answers /readyz 200 without reasons', async () => {
    const answer = await fetch(`${await start(async () => [])}/readyz?verbose=1`);
    expect([answer.status, await answer.json()]).toEqual([200, { status: 'ok', reasons: [] }]);
    expect(answer.headers.get('content-type')).toBe('application/json');
  });

  it('answers /readyz 503 with the reasons', async () => {
    const answer = await fetch(`${await start(async () => ['Redis does not answer'])}/readyz`);
    expect([answer.status, await answer.json()]).toEqual([
      503,
      { status: 'unavailable', reasons: ['Redis does not answer'] },
    ]);
  });

  it('answers /readyz 503 and logs the error when the check itself fails', async () => {
    const answer = await fetch(`${await start(() => Promise.reject(new Error('broken check')))}/readyz`);
    expect(answer.status).toBe(503);
    expect(JSON.parse(logged[0] ?? '').error.message).toBe('broken check');
  });

  it('answers /readyz 503 when the check never ends', async () => {
    const answer = await fetch(`${await start(() => new Promise(() => undefined))}/readyz`);
    expect([answer.status, await answer.json()]).toEqual([
      503,
      { status: 'unavailable', reasons: ['no answer within 2000 ms'] },
    ]);
  });

  it('answers /metrics 200 in the text format of Prometheus', async () => {
    const answer = await fetch(`${await start(async () => ['not ready'])}/metrics`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await answer.text()).toContain(`comfy_fleet_build_info{service="test",version="`);
  });

  it('answers 404 to other paths and 405 to other methods', async () => {
    const url = await start(async () => []);
    expect((await fetch(`${url}/`)).status).toBe(404);
    expect((await fetch(`${url}/readyz`, { method: 'POST' })).status).toBe(405);
  });

  it('rejects when the port is taken', async () => {
    await start(async () => []);
    const second = startHealthServer({
      host: '127.0.0.1',
      port: server?.port ?? 0,
      ready: async () => [],
      metrics,
      log,
    });
    await expect(second).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('closes even if a client keeps its connection open', async () => {
    const url = await start(async () => []);
    await (await fetch(`${url}/livez`)).text();
    await server?.close();
    server = undefined;
    await expect(fetch(`${url}/livez`)).rejects.toThrow('fetch failed');
  });
});
