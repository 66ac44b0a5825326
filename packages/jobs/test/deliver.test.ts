import { newId, type Webhook } from '@comfy-fleet/contracts';
import { createSafeHttp } from '@comfy-fleet/safe-http';
import { freePort, pictureRequest, startWebhookSink, until, type WebhookSink } from '@comfy-fleet/testing';
import { Webhook as Verifier } from 'standardwebhooks';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { DueDelivery, JobRecord } from '../src/index.js';
import { NO_PLACE } from '../src/record/record.js';
import { type DeliveryTools, deliver, newSecret } from '../src/webhooks/deliver.js';

const HOUR = 3_600_000;

async function aSink(): Promise<WebhookSink> {
  const sink = await startWebhookSink();
  onTestFinished(() => sink.close());
  return sink;
}

function due(webhook: Webhook, failedTries = 0): DueDelivery {
  const id = newId();
  const record: JobRecord = {
    id,
    kind: 'text2img',
    lod: 'sketch',
    pool: 'default',
    key: 'anna',
    parent: null,
    callback: webhook,
    workflow: 'text2img',
    request: pictureRequest({
      prompt: 'ein Leuchtturm 🗼',
      negative_prompt: '',
      seed: '18446744073709551615',
      checkpoint: 'sd.safetensors',
    }),
    encoding: null,
    reusedFrom: null,
    status: 'succeeded',
    phase: 'ended',
    createdAt: 1000,
    startDeadline: 2000,
    startedAt: 1500,
    finishedAt: 1_700_000_000_123,
    progress: { fraction: 1, step: 8, steps: 8, node: null },
    outputs: [],
    error: null,
    cachedNodes: null,
    timings: null,
    instance: 'w1/0',
    promptId: null,
    submissions: 1,
    attempts: 1,
    faultyAttempts: 0,
    orphanedMs: null,
    deaths: 0,
    kills: 0,
    refusals: 0,
    movedAt: null,
    ooms: 0,
    faults: [],
    retriedAfter: null,
    claim: 1,
    worker: null,
    comfyKey: null,
    traceparent: null,
    alias: null,
    client: null,
    hasOrigin: false,
    listing: {},
  };
  return { id: `msg_${id}`, webhook, failedTries, again: false, snapshot: { record, ...NO_PLACE, lastEventId: '0-0' } };
}

const tools = (overrides: Partial<DeliveryTools> = {}): DeliveryTools => ({
  http: createSafeHttp({ allow: ['127.0.0.0/8'] }),
  secretsOf: () => [],
  signing: undefined,
  hasKey: () => true,
  publicUrl: 'https://api.example',
  timeoutMs: 5000,
  retryDelaysMs: [HOUR],
  ...overrides,
});

const go = (delivery: DueDelivery, overrides: Partial<DeliveryTools> = {}, signal = AbortSignal.timeout(60_000)) =>
  deliver(delivery, tools(overrides), signal);

/** An hour, with its variation. */
function expectAnHour(ms: number | undefined): void {
  expect(ms).toBeGreaterThanOrEqual(0.8 * HOUR);
  expect(ms).toBeLessThanOrEqual(1.2 * HOUR);
}

describe('an attempt', () => {
  it("posts the job as callers see it, signed by the key's secrets, and succeeds with any 2xx", async () => {
    const sink = await aSink();
    sink.answer({ status: 204 });
    const [secret, old] = [newSecret(), newSecret()];
    const delivery = due({ url: `${sink.url}/hook?token=1` });
    const keys: string[] = [];
    const secretsOf = (key: string) => {
      keys.push(key);
      return [secret, old];
    };
    const { attempt, retryInMs } = await go(delivery, { secretsOf });
    expect(retryInMs).toBeUndefined();
    expect(attempt).toMatchObject({ status: 204, delivered: true, answer: '' });
    expect(keys).toEqual(['anna']);
    const [request] = sink.received;
    expect(request?.path).toBe('/hook?token=1');
    expect(request?.headers).toMatchObject({ 'content-type': 'application/json', 'webhook-id': delivery.id });
    for (const each of [secret, old]) {
      const headers = request?.headers as Record<string, string>;
      expect(new Verifier(each).verify(request?.body ?? '', headers)).toEqual({
        type: 'job.succeeded',
        timestamp: '2023-11-14T22:13:20.123Z',
        data: expect.objectContaining({
          id: delivery.snapshot.record.id,
          status: 'succeeded',
          urls: expect.objectContaining({ self: `https://api.example/jobs/${delivery.snapshot.record.id}` }),
        }),
      });
    }
  });

  it('is signed by the secret that came with the job, and by no other', async () => {
    const sink = await aSink();
    const [own, keys] = [newSecret(), newSecret()];
    await go(due({ url: sink.url, secret: own }), { secretsOf: () => [keys] });
    const { body = '', headers = {} } = sink.received[0] ?? {};
    expect(() => new Verifier(own).verify(body, headers as Record<string, string>)).not.toThrow();
    expect(() => new Verifier(keys).verify(body, headers as Record<string, string>)).toThrow();
    expect(body).not.toContain('whsec_');
  });

  it('goes out unsigned when there is no secret', async () => {
    const sink = await aSink();
    await go(due({ url: sink.url }));
    expect(sink.received[0]?.headers).not.toHaveProperty('webhook-signature');
    expect(sink.received[0]?.headers).toHaveProperty('webhook-timestamp');
  });

  it('has the same body and id each time, and its own timestamp', async () => {
    const sink = await aSink();
    const delivery = due({ url: sink.url });
    await go(delivery);
    await go({ ...delivery, failedTries: 1 });
    const [first, second] = sink.received;
    expect(second?.body).toBe(first?.body);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(Math.abs(Number(first?.headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(30);
  });

  it('has signed paths in its body if callers need them', async () => {
    const sink = await aSink();
    await go(due({ url: sink.url }), { signing: async () => (path) => `${path}?signature=s` });
    expect(JSON.parse(sink.received[0]?.body ?? '').data.urls.events).toMatch(/\/events\?signature=s$/);
  });
});

describe('an attempt that is not accepted', () => {
  it.each([301, 400, 401, 404, 500, 502])('because of %i is repeated by the schedule', async (status) => {
    const sink = await aSink();
    sink.answer({ status, body: 'no', headers: { location: `${sink.url}/elsewhere`, 'retry-after': '7' } });
    const { attempt, retryInMs } = await go(due({ url: sink.url }));
    expect(attempt).toMatchObject({ status, answer: 'no', delivered: false });
    expectAnHour(retryInMs);
    expect(sink.received).toHaveLength(1);
  });

  it.each([429, 503])('because of %i is repeated when the receiver asks for it', async (status) => {
    const sink = await aSink();
    sink.answer({ status, headers: { 'retry-after': '60' } });
    const { attempt, retryInMs } = await go(due({ url: sink.url }));
    expect(attempt).toMatchObject({ status, delivered: false });
    expect(retryInMs).toBeGreaterThanOrEqual(60_000);
    expect(retryInMs).toBeLessThanOrEqual(72_000);
    sink.answer({ status });
    expectAnHour((await go(due({ url: sink.url }))).retryInMs);
  });

  it('because the endpoint is gone is not repeated', async () => {
    const sink = await aSink();
    sink.answer({ status: 410 });
    const { attempt, retryInMs } = await go(due({ url: sink.url }));
    expect([attempt.status, attempt.delivered, retryInMs]).toEqual([410, false, undefined]);
  });

  it('for the last time is not repeated', async () => {
    const sink = await aSink();
    sink.answer({ status: 500 });
    expect((await go(due({ url: sink.url }, 1))).retryInMs).toBeUndefined();
  });

  it('because nobody listens, or the connection is cut, has no status but a reason', async () => {
    const sink = await aSink();
    sink.answer('reset');
    for (const url of [sink.url, `http://127.0.0.1:${await freePort()}`]) {
      const { attempt, retryInMs } = await go(due({ url }));
      expect(attempt).toMatchObject({ status: null, delivered: false, answer: expect.stringMatching(/\w{3}/) });
      expect(attempt.answer).not.toContain('127.0.0.1');
      expectAnHour(retryInMs);
    }
  });

  it('because the receiver does not answer in time is aborted', async () => {
    const sink = await aSink();
    sink.answer('hang');
    const { attempt, retryInMs } = await go(due({ url: sink.url }), { timeoutMs: 200 });
    expect(attempt).toMatchObject({ status: null, delivered: false });
    expect(attempt.duration_ms).toBeGreaterThanOrEqual(190);
    expectAnHour(retryInMs);
    await until('the connection was closed', () => sink.inFlight === 0);
  });

  it('because the target is not public is not made at all, and not repeated', async () => {
    const sink = await aSink();
    const { attempt, retryInMs } = await go(due({ url: sink.url }), { http: createSafeHttp({ allow: [] }) });
    expect(attempt).toMatchObject({ status: null, delivered: false });
    expect(retryInMs).toBeUndefined();
    expect(sink.received).toEqual([]);
  });
});

it.each([
  ['ab', 512],
  ['\u0001', 170],
])('keeps the first KiB of the answer, as JSON: of %j, %i', async (text, times) => {
  const sink = await aSink();
  sink.answer({ body: text.repeat(5000) });
  expect((await go(due({ url: sink.url }))).attempt.answer).toBe(text.repeat(times));
});

it('keeps no answer of a private host if there are keys, whose callers could read internal services that way', async () => {
  const sink = await aSink();
  sink.answer({ status: 500, body: 'internal' });
  const { attempt } = await go(due({ url: sink.url }), { signing: async () => (path) => path });
  expect(attempt).toMatchObject({ status: 500, delivered: false, answer: '' });
});

it('sends nothing for a revoked key, and tries once more, because keys are missing while they are replaced', async () => {
  const sink = await aSink();
  const revoked = { hasKey: (key: string) => key !== 'anna' };
  const first = await go(due({ url: sink.url }), revoked);
  expect(first.attempt).toMatchObject({
    status: null,
    delivered: false,
    answer: 'The API key of this job has been revoked: nothing was sent.',
  });
  expectAnHour(first.retryInMs);
  const again = await go(due({ url: sink.url }, 1), revoked);
  expect(again.retryInMs).toBeUndefined();
  expect(sink.received).toEqual([]);
});

it('does not count as an attempt if it is aborted, and rejects with the reason', async () => {
  const sink = await aSink();
  sink.answer('hang');
  const aborting = new AbortController();
  const going = go(due({ url: sink.url }), {}, aborting.signal);
  await sink.got(1);
  aborting.abort(new Error('the lock was lost'));
  await expect(going).rejects.toThrow('the lock was lost');
});
