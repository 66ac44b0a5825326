import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createLogger, inSpan, inThisTrace, inTraceOf, startTracing, traceparentNow } from '../src/index.js';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const TRACEPARENT = `00-${TRACE_ID}-b7ad6b7169203331-01`;

function aLog() {
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  return { lines, log: createLogger({ service: 'test', level: 'info', format: 'json', stream }) };
}

/** Nothing listens on the port, so spans are lost. */
async function tracing(endpoint: string | undefined = 'http://127.0.0.1:1') {
  const started = await startTracing({ service: 'test', endpoint, log: aLog().log });
  onTestFinished(() => started.close());
  return started;
}

/** Accepts spans and records that it did. */
async function aCollector() {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    request.resume().on('end', () => response.end('{}'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close().closeAllConnections());
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get requests() {
      return requests;
    },
  };
}

afterEach(() => vi.unstubAllEnvs());

const isSdkLoaded = () =>
  Object.keys(createRequire(import.meta.url).cache).some((file) => file.includes('/@opentelemetry/sdk-trace'));

describe('without a collector', () => {
  it('does the work without loading the SDK, which it loads with a collector', async () => {
    const { isOn } = await startTracing({ service: 'test', endpoint: undefined, log: aLog().log });
    expect(isOn).toBe(false);
    const seen = await inTraceOf(TRACEPARENT, () => inSpan('a', {}, async () => traceparentNow() ?? 'nothing'));
    expect([seen, isSdkLoaded()]).toEqual(['nothing', false]);
    await tracing();
    expect(isSdkLoaded()).toBe(true);
  });
});

describe('with one', () => {
  it('continues the trace of a traceparent, with nested spans', async () => {
    await tracing();
    const [outer, inner] = await inTraceOf(TRACEPARENT, () =>
      inSpan('outer', {}, async () => [traceparentNow(), await inSpan('inner', {}, async () => traceparentNow())]),
    );
    expect([outer, inner]).toEqual(
      Array(2).fill(expect.stringMatching(new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`))),
    );
    expect(new Set([TRACEPARENT, outer, inner]).size).toBe(3);
  });

  it('starts no trace by itself or with an invalid traceparent', async () => {
    await tracing();
    expect(await inSpan('alone', {}, async () => traceparentNow())).toBeUndefined();
    expect(await inTraceOf('00-nonsense-01', () => inSpan('lost', {}, async () => traceparentNow()))).toBeUndefined();
    expect(await inTraceOf(null, () => inSpan('none', {}, async () => traceparentNow()))).toBeUndefined();
  });

  it('binds a function to the trace in which it was bound', async () => {
    await tracing();
    const told = inTraceOf(TRACEPARENT, () => inThisTrace(() => traceparentNow()));
    expect([traceparentNow(), told()]).toEqual([undefined, TRACEPARENT]);
  });

  it('rejects with the error of the work in a span', async () => {
    await tracing();
    const fault = new Error('bad');
    const failing = inTraceOf(TRACEPARENT, () => inSpan('a', {}, () => Promise.reject(fault)));
    await expect(failing).rejects.toBe(fault);
  });

  it('adds the ids of the trace to lines that are logged in it, and only to these', async () => {
    await tracing();
    const { log, lines } = aLog();
    inTraceOf(TRACEPARENT, () => log.child({ job: '7' }).info('inside'));
    log.info('outside');
    const [inside, outside] = lines.map((line) => JSON.parse(line) as object);
    expect(inside).toMatchObject({ message: 'inside', job: '7', trace_id: TRACE_ID, span_id: 'b7ad6b7169203331' });
    expect(outside).not.toHaveProperty('trace_id');
  });

  it.each([
    ['sends what it has before it ends', undefined, '01', 1],
    ['records and sends nothing when OTEL_TRACES_SAMPLER says so', 'always_off', '00', 0],
  ])('%s', async (_what, sampler, flags, requests) => {
    vi.stubEnv('OTEL_TRACES_SAMPLER', sampler);
    const collector = await aCollector();
    const started = await tracing(collector.url);
    expect(await inTraceOf(TRACEPARENT, () => inSpan('a', {}, async () => traceparentNow()))).toMatch(
      new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-${flags}$`),
    );
    await started.close();
    expect(collector.requests).toBe(requests);
  });
});
