import { getEventListeners, once } from 'node:events';
import { connect } from 'node:net';
import { newId } from '@comfy-fleet/contracts';
import { type RedisServer, startRedisServer, until } from '@comfy-fleet/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from './api.js';
import { readEvents } from './event-stream.js';

const MANY = 20;

let redis: RedisServer;
let api: TestApi;
/** How many listeners the signal has without any request: those of the socket server. */
let resting: number;
beforeEach(async () => {
  redis = await startRedisServer();
  // Longer than Redis is stopped on the slowest machine, because a request that times out would hide a leak.
  api = await startApi(redis.url, { env: { REDIS_TIMEOUT_MS: '15000' } });
  resting = hangingOn(api.stopping);
});
afterEach(async () => {
  await api.close();
  await redis.close();
});

/** How many connections listen to the job's events: 1 while any stream of the API does. */
async function listening(id: string): Promise<number> {
  const socket = connect(redis.port, '127.0.0.1');
  socket.write(`PUBSUB NUMSUB ${api.config.redis.prefix}:on:${id}\r\n`);
  let answer = '';
  for await (const chunk of socket) {
    answer += chunk;
    const count = /\r\n:(\d+)\r\n$/.exec(answer)?.[1];
    if (count !== undefined) return Number(count);
  }
  throw new Error(`Redis broke off: ${answer}`);
}
const nobodyListens = (id: string) => until('nobody to listen', async () => (await listening(id)) === 0);

/** Opens a stream, waits for its first event, and returns a function that closes it. */
async function openStream(id: string): Promise<() => void> {
  const caller = new AbortController();
  await readEvents(await api.get(`/jobs/${id}/events`, { signal: caller.signal })).next();
  return () => caller.abort();
}

/** Sends a request and hangs up without waiting for an answer. */
async function askAndLeave(path: string): Promise<void> {
  const socket = connect(api.port, '127.0.0.1');
  await once(socket, 'connect');
  await new Promise((sent) => socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`, sent));
  socket.destroy();
}

/** How many listeners and dependent signals an abort signal has. */
function hangingOn(signal: AbortSignal): number {
  const ownKeys = Object.getOwnPropertySymbols(signal);
  const joined = ownKeys.find(({ description }) => description === 'kDependantSignals');
  const dependents = joined === undefined ? undefined : (signal as unknown as Record<symbol, Set<unknown>>)[joined];
  return getEventListeners(signal, 'abort').length + (dependents?.size ?? 0);
}

describe('an event stream that nobody reads', () => {
  it('leaves no subscription behind after a HEAD request', async () => {
    const { id } = await api.accepted();
    const leave = await openStream(id);
    expect(await listening(id)).toBe(1);
    for (let n = 0; n < MANY; n++) await api.get(`/jobs/${id}/events`, { method: 'HEAD' });
    leave();
    await nobodyListens(id);
  });

  it('leaves no subscription behind when its client disconnects before the job is read', async () => {
    const { id } = await api.accepted();
    const path = `/jobs/${id}/events`;
    process.kill(redis.pid, 'SIGSTOP');
    try {
      await Promise.all(Array.from({ length: MANY }, () => askAndLeave(path)));
      const left = () => api.logged.filter((line) => line.path === path && line.aborted === true);
      await until('the API to see them leave', () => left().length === MANY);
    } finally {
      process.kill(redis.pid, 'SIGCONT');
    }
    // Redis answers in order. Once this stream has its first event, the others have subscribed and read.
    const leave = await openStream(id);
    expect(await listening(id)).toBe(1);
    leave();
    await nobodyListens(id);
  });
});

describe('the signal that the process is stopping', () => {
  it('has no listener of a request after that has ended in any way', async () => {
    const { id } = await api.accepted();
    const { id: ended } = await api.accepted();
    await api.post(`/jobs/${ended}/cancel`, {});
    const last = (await readEvents(await api.get(`/jobs/${ended}/events`)).next())?.id ?? '';

    const leave = await openStream(id);
    await until('only the open stream to hang on it', () => hangingOn(api.stopping) === resting + 1);
    for (let n = 0; n < MANY; n++) {
      const answers = await Promise.all([
        api.get(`/jobs/${ended}?wait=5`),
        api.get(`/jobs/${newId()}/events`),
        api.get(`/jobs/${ended}/events`, { headers: { 'Last-Event-ID': last } }),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([200, 404, 204]);
    }
    leave();
    await until('nothing to hang on it', () => hangingOn(api.stopping) === resting);
  });

  it('causes no warning of a leak from Node while many streams are open', async () => {
    const { id } = await api.accepted();
    const warnings: string[] = [];
    const note = ({ name }: Error) => warnings.push(name);
    process.on('warning', note);
    const leave = await Promise.all(Array.from({ length: MANY }, () => openStream(id)));
    await expect.poll(() => hangingOn(api.stopping)).toBe(resting + MANY);
    process.off('warning', note);
    expect(warnings).toEqual([]);
    for (const end of leave) end();
  });
});
