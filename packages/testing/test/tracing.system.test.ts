import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import type { Job } from '@comfy-fleet/contracts';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import {
  type CollectedSpan,
  createGpus,
  freePort,
  type Gpus,
  type JobClient,
  jobClient,
  type OtlpCollector,
  PICTURE,
  type Service,
  type Simulator,
  startOtlpCollector,
  startStack,
  startWebhookSink,
  type TestStack,
  until,
} from '../src/index.js';

const SERVER = 2;
const CLIENT = 3;
const PRODUCER = 4;
const CONSUMER = 5;
const ERROR = 2;

const BODY = { prompt: 'a clandestine lighthouse', lod: 'sketch', width: 64, height: 64 };

const SENT_SOON = { OTEL_BSP_SCHEDULE_DELAY: '50' };
const STEP_MS = 20;

let gpus: Gpus;
let gpu: Simulator;
let comfyui: Relay;
let collector: OtlpCollector;
let stack: TestStack;
let worker: Service;
let dispatcher: Service;
let jobs: JobClient;

beforeAll(async () => {
  gpus = await createGpus();
  gpu = await gpus.start(STEP_MS);
  comfyui = await startRelay(Number(new URL(gpu.url).port));
  collector = await startOtlpCollector();
  stack = await startStack({
    redisUrl: inject('redisUrl'),
    env: { WEBHOOK_ALLOW: '127.0.0.0/8', OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...SENT_SOON },
  });
  jobs = jobClient(stack.url);
  [worker, dispatcher] = await Promise.all([stack.startWorker('w1', [comfyui.url]), stack.startDispatcher()]);
});
afterEach(() => {
  gpu.set({ stepMs: STEP_MS });
  gpu.faults.remove();
});
afterAll(async () => {
  await stack.close();
  comfyui.close();
  await collector.close();
  await gpus.close();
});

/** A trace that a caller has started. */
function aTrace({ sampled = true } = {}) {
  const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
  return { traceId, spanId, headers: { traceparent: `00-${traceId}-${spanId}-${sampled ? '01' : '00'}` } };
}

async function post(url: string, body: object | FormData, headers: Readonly<Record<string, string>>): Promise<Job> {
  const isForm = body instanceof FormData;
  const answer = await fetch(url, {
    method: 'POST',
    headers: isForm ? headers : { ...headers, 'content-type': 'application/json' },
    body: isForm ? body : JSON.stringify(body),
    signal: AbortSignal.timeout(60_000),
  });
  expect(answer.status).toBe(202);
  return (await answer.json()) as Job;
}

const named = (name: string) => (span: CollectedSpan) => span.name === name;

/** The only span of that name. */
function only(spans: readonly CollectedSpan[], name: string): CollectedSpan {
  const found = spans.filter(named(name));
  expect(found.map((span) => span.name)).toEqual([name]);
  return found[0] as CollectedSpan;
}

/** The names of a span and of its ancestors, topmost first. */
function wayTo(spans: readonly CollectedSpan[], span: CollectedSpan): string {
  const above = spans.find(({ spanId }) => spanId === span.parentSpanId);
  return above === undefined ? span.name : `${wayTo(spans, above)} > ${span.name}`;
}

interface Relay {
  readonly url: string;
  /** The traceparents of the trace in requests for the path. */
  traceparents(path: string, traceId: string): (string | undefined)[];
  close(): void;
}

/** A relay in front of a server that records the heads of requests. */
async function startRelay(port: number): Promise<Relay> {
  let said = '';
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    client.on('data', (chunk) => {
      said += chunk.toString('latin1');
    });
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) {
      socket.on('error', () => {});
      socket.on('close', () => [client, upstream].map((each) => each.destroy()));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    traceparents: (path, traceId) =>
      [...said.matchAll(/[A-Z]+ (\/[^ ?]*)\S* HTTP\/1\.1\r\n(?:[^\r]+\r\n)*?traceparent: (\S+)\r\n/gi)]
        .filter(([, asked, traceparent]) => asked === path && traceparent?.includes(traceId))
        .map(([, , traceparent]) => traceparent),
    close: () => void server.close(),
  };
}

describe('a job is one trace', () => {
  it('from the request through queue, worker and ComfyUI to the webhook, each a process of its own', async () => {
    const sink = await startWebhookSink();
    onTestFinished(() => sink.close());
    const { traceId, spanId, headers } = aTrace();

    const webhook = { url: `${sink.url}/t0k3n-in-path?secret=t0k3n-in-query` };
    const { id } = await post(`${stack.url}/generate`, { ...BODY, webhook }, headers);
    const [delivered] = await sink.got(1);
    const whole = ['POST /generate', 'collect', 'attempt', 'webhook attempt'];
    const spans = await collector.trace(traceId, (all) => whole.every((name) => all.some(named(name))));

    expect(spans.map((span) => `${span.service}: ${wayTo(spans, span)}`).sort()).toEqual([
      'comfy-fleet-api: POST /generate',
      'comfy-fleet-api: POST /generate > job accept',
      'comfy-fleet-dispatcher: POST /generate > job accept > webhook attempt',
      'comfy-fleet-worker: POST /generate > job accept > attempt',
      'comfy-fleet-worker: POST /generate > job accept > attempt > POST /prompt',
      'comfy-fleet-worker: POST /generate > job accept > attempt > collect',
      'comfy-fleet-worker: POST /generate > job accept > attempt > collect > store',
      'comfy-fleet-worker: POST /generate > job accept > attempt > collect > store > GET /view',
      'comfy-fleet-worker: POST /generate > job accept > job wait',
    ]);
    const request = only(spans, 'POST /generate');
    expect(request).toMatchObject({ kind: SERVER, parentSpanId: spanId, status: 0 });
    expect(request.attributes).toMatchObject({
      'http.request.method': 'POST',
      'http.route': '/generate',
      'http.response.status_code': 202,
      'url.path': '/generate',
      'url.scheme': 'http',
      'comfy_fleet.job.id': id,
    });
    const accept = only(spans, 'job accept');
    expect(accept).toMatchObject({ kind: PRODUCER, attributes: { 'messaging.destination.name': 'default' } });
    const attempt = only(spans, 'attempt');
    const job = (await (await fetch(`${stack.url}/jobs/${id}`)).json()) as Job;
    expect(attempt).toMatchObject({ kind: CONSUMER, status: 0 });
    expect(attempt.attributes).toMatchObject({
      'messaging.system': 'bullmq',
      'comfy_fleet.job.id': id,
      'comfy_fleet.lod': 'sketch',
      'comfy_fleet.instance': 'w1/1',
      'comfy_fleet.checkpoint': job.request.checkpoint,
      'comfy_fleet.prompt_id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    const [submitted, started, ...further] = attempt.events.map(({ name }) => name);
    expect([submitted, started, ...new Set(further)]).toEqual(['submitted', 'started', 'progress']);
    expect(further.length).toBeLessThanOrEqual(4);
    const wait = only(spans, 'job wait');
    expect(wait.start / 1_000_000n).toBe(BigInt(Date.parse(job.created_at)));
    const [prompt, view, hook] = ['POST /prompt', 'GET /view', 'webhook attempt'].map((name) => only(spans, name));
    for (const call of [prompt, view, hook]) {
      expect(call).toMatchObject({ kind: CLIENT, attributes: { 'http.response.status_code': 200 } });
    }
    expect(prompt?.attributes).toMatchObject({
      'server.address': '127.0.0.1',
      'server.port': Number(new URL(comfyui.url).port),
      'url.template': '/prompt',
    });
    expect(hook?.attributes).toMatchObject({ 'http.request.method': 'POST', 'server.port': sink.port });

    // A proxy between worker and ComfyUI can continue the trace; receivers of webhooks do not see it.
    expect(comfyui.traceparents('/prompt', traceId)).toEqual([`00-${traceId}-${prompt?.spanId}-01`]);
    expect(comfyui.traceparents('/view', traceId)).toEqual([`00-${traceId}-${view?.spanId}-01`]);
    expect(delivered?.headers).not.toHaveProperty('traceparent');

    for (const [service, line] of [
      [stack.api, 'request'],
      [worker, 'job ended'],
      [dispatcher, 'webhook delivered'],
    ] as const) {
      await until(`a line "${line}" in the trace`, () =>
        service.output
          .split('\n')
          .some((each) => [`"message":"${line}"`, `"trace_id":"${traceId}"`, id].every((part) => each.includes(part))),
      );
    }
    for (const secret of ['clandestine', 't0k3n']) expect(collector.text).not.toContain(secret);
  });

  it('also when a form contains its input picture', async () => {
    const { traceId, headers } = aTrace();
    const form = new FormData();
    form.set('prompt', 'at dawn');
    form.set('lod', 'sketch');
    form.set('image', new Blob([Buffer.from(PICTURE, 'base64')], { type: 'image/png' }), 'start.png');
    await post(`${stack.url}/img2img`, form, headers);
    const spans = await collector.trace(traceId, (all) => all.some(named('attempt')));
    expect(wayTo(spans, only(spans, 'POST /upload/image'))).toBe(
      'POST /img2img > job accept > attempt > POST /upload/image',
    );
  });

  it('continues when another worker adopts the submission of a dead one', async () => {
    gpu.set({ stepMs: 1000 });
    const { traceId, headers } = aTrace();
    const { id } = await post(`${stack.url}/generate`, { ...BODY, steps: 150 }, headers);
    await until('it runs', async () => (await jobs.get(id)).status === 'running');
    await worker.stop('SIGKILL');
    worker = await stack.startWorker('w1', [comfyui.url]);
    gpu.set({ stepMs: 0 });
    const collected = (all: readonly CollectedSpan[]) => {
      const parent = all.find(named('collect'))?.parentSpanId;
      return all.some(({ spanId }) => spanId === parent);
    };
    const spans = await collector.trace(traceId, collected);
    // A worker that is slow enough to lose its lock adopts the job again.
    const attempts = spans.filter(named('attempt')).map(({ attributes }) => attributes);
    expect(attempts.map((each) => each['comfy_fleet.adopted'])).toEqual(attempts.map(() => true));
    expect(attempts.map((each) => each['comfy_fleet.claim'])).toContain(2);
    expect(wayTo(spans, only(spans, 'collect'))).toBe('POST /generate > job accept > attempt > collect');
  });

  it('with the codes of errors, and without their texts', async () => {
    gpu.faults.add({ kind: 'node_error', message: 'clandestine tensors' });
    const failing = aTrace();
    const { id } = await post(`${stack.url}/generate`, BODY, failing.headers);
    expect((await jobs.ended(id)).error?.code).toBe('node_execution_error');
    const spans = await collector.trace(failing.traceId, (all) => all.some(named('attempt')));
    const attempt = only(spans, 'attempt');
    expect(attempt).toMatchObject({ status: ERROR, attributes: { 'error.type': 'node_execution_error' } });

    const body = JSON.stringify({ ...BODY, checkpoint: 'nobody-has-it.safetensors' });
    // For up to two more seconds the API knows no instance whose nodes it could check.
    const refused = await until('what no instance can run is refused', async () => {
      const trace = aTrace();
      const json = { ...trace.headers, 'content-type': 'application/json' };
      return (await fetch(`${stack.url}/generate`, { method: 'POST', headers: json, body })).status === 422 && trace;
    });
    const both = await collector.trace(refused.traceId, ({ length }) => length === 2);
    expect(both.map(({ name, status }) => [name, status])).toEqual([
      ['job accept', 0],
      ['POST /generate', 0],
    ]);

    const lost = aTrace();
    await fetch(`${stack.url}/jobs/${crypto.randomUUID()}`, { headers: lost.headers });
    const [answered] = await collector.trace(lost.traceId, ({ length }) => length === 1);
    // A caller's mistake is not a failure of the service.
    expect(answered).toMatchObject({ name: 'GET /jobs/:id', status: 0, attributes: { 'error.type': 'job_not_found' } });
    expect(collector.text).not.toContain('clandestine');
  });

  it('is separate for each request without a traceparent, and there is none for probes', async () => {
    const paths = ['/readyz', '/lods', '/nowhere'];
    const sent = () => collector.spans.filter(({ attributes }) => paths.includes(String(attributes['url.path'])));
    await fetch(`${stack.url}/readyz`);
    await fetch(`${stack.url}/lods?prompt=clandestine`);
    await fetch(`${stack.url}/nowhere`, { method: 'PROPFIND' });
    await until('two spans came', () => sent().length >= 2);
    expect(sent().map(({ name, parentSpanId }) => [name, parentSpanId])).toEqual([
      ['GET /lods', ''],
      ['HTTP', ''],
    ]);
    expect(new Set(sent().map(({ traceId }) => traceId)).size).toBe(2);
    expect(collector.text).not.toContain('clandestine');
    const begun = collector.spans.filter(({ parentSpanId }) => parentSpanId === '');
    expect(new Set(begun.map(({ service }) => service))).toEqual(new Set(['comfy-fleet-api']));
  });

  it('is not recorded if its caller says so', async () => {
    const [unsampled, sampled] = [aTrace({ sampled: false }), aTrace()];
    await jobs.ended((await post(`${stack.url}/generate`, BODY, unsampled.headers)).id);
    await jobs.ended((await post(`${stack.url}/generate`, BODY, sampled.headers)).id);
    await collector.trace(sampled.traceId, (all) => all.some(named('attempt')));
    expect(collector.spans.filter(({ traceId }) => traceId === unsampled.traceId)).toEqual([]);
    expect(worker.output).toContain(unsampled.traceId);
  });
});

it('a collector that refuses connections, or accepts spans and never answers, neither delays jobs nor keeps a process from stopping', async () => {
  const silent = await startOtlpCollector({ hang: true });
  onTestFinished(() => silent.close());
  const refusing = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}` };
  const own = await startStack({
    redisUrl: inject('redisUrl'),
    // Waiting for the collector would take ten minutes.
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: silent.url, OTEL_EXPORTER_OTLP_TIMEOUT: '600000', ...SENT_SOON },
  });
  onTestFinished(() => own.close());
  const others = await Promise.all([own.startWorker('w1', [gpu.url], refusing), own.startDispatcher(refusing)]);
  const client = jobClient(own.url);
  for (let n = 0; n < 3; n++) await client.ended((await client.generate(BODY)).id);
  const all = [own.api, ...others];
  await Promise.all(all.map((service) => service.stop('SIGTERM')));
  expect(all.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
  for (const { output } of [own.api, others[0]]) expect(output).toContain('the last spans are lost');
});
