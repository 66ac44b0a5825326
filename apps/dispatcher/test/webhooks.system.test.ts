import { createHash, randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Webhook as Callback, Job, WebhookDelivery } from '@comfy-fleet/contracts';
import { newSecret } from '@comfy-fleet/jobs';
import {
  createGpus,
  dispatcherOn,
  onFreePort,
  type ReceivedWebhook,
  ready,
  type Service,
  startService,
  startStack,
  startWebhookSink,
  type TestStack,
  until,
} from '@comfy-fleet/testing';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { openHousehold } from './household.js';

async function aSink() {
  const sink = await startWebhookSink();
  onTestFinished(() => sink.close());
  return sink;
}

async function call<T>(url: string, { body, key, method }: { body?: object; key?: string; method?: string } = {}) {
  const answer = await fetch(url, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { authorization: `Bearer ${key}` }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(60_000),
  });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

/** Creates a job and cancels it, which takes effect at once without a worker. */
async function endedJob({ url }: TestStack, webhook: object, key?: string): Promise<string> {
  const with_ = key === undefined ? {} : { key };
  const { id } = await call<Job>(`${url}/generate`, { body: { prompt: 'a lighthouse', webhook }, ...with_ });
  await call(`${url}/jobs/${id}/cancel`, { method: 'POST', ...with_ });
  return id;
}

function verified(secret: string, { headers, body }: ReceivedWebhook): { type: string; data: Job } {
  return new Webhook(secret).verify(body, headers as Record<string, string>) as { type: string; data: Job };
}

describe('a dispatcher with an API', () => {
  const PER_HOST = 3;
  let stack: TestStack;
  let dispatcher: Service;
  beforeAll(async () => {
    // Longer than the test, so that no attempt to a silent receiver times out on a slow machine.
    const patience = { WEBHOOK_TIMEOUT_MS: '600000' };
    const env = { ...patience, WEBHOOK_ALLOW: '127.0.0.0/8,localhost', WEBHOOK_PER_HOST: `${PER_HOST}` };
    stack = await startStack({ redisUrl: inject('redisUrl'), env });
    dispatcher = await stack.startDispatcher(env);
  });
  afterAll(() => stack.close());

  const reaches = (id: string, state: string) =>
    until(`the webhook of ${id} is ${state}`, async () => {
      const delivery = await call<WebhookDelivery>(`${stack.url}/jobs/${id}/webhooks`);
      return delivery.state === state && delivery;
    });

  it('delivers the job as GET /jobs/:id shows it, and the API shows the delivery', async () => {
    const gpus = await createGpus();
    onTestFinished(() => gpus.close());
    const gpu = await gpus.start(0);
    const worker = await stack.startWorker('w1', [gpu.url]);
    onTestFinished(() => worker.stop('SIGKILL'));
    const sink = await aSink();
    const secret = newSecret();
    const body = { prompt: 'a lighthouse', lod: 'sketch', webhook: { url: `${sink.url}/done`, secret } };
    const { id } = await call<Job>(`${stack.url}/generate`, { body });
    const [request] = await sink.got(1);
    const { type, data } = verified(secret, request as ReceivedWebhook);
    expect(type).toBe('job.succeeded');
    expect(data).toEqual(await call(`${stack.url}/jobs/${id}`));
    expect(await reaches(id, 'delivered')).toMatchObject({
      id: `msg_${id}`,
      attempts: [{ status: 200, delivered: true }],
    });
  });

  it('calls a silent receiver at most WEBHOOK_PER_HOST times at once, without delaying others', async () => {
    const [dead, good] = [await aSink(), await aSink()];
    dead.answer('hang');
    for (let n = 0; n < 10; n++) await endedJob(stack, { url: `http://localhost:${dead.port}` });
    await dead.got(PER_HOST);
    for (let n = 0; n < 5; n++) await reaches(await endedJob(stack, { url: good.url }), 'delivered');
    expect([good.received.length, dead.mostInFlight]).toEqual([5, PER_HOST]);
  });

  it('delivers again on demand, under the same id', async () => {
    const sink = await aSink();
    const id = await endedJob(stack, { url: sink.url });
    await reaches(id, 'delivered');
    await call(`${stack.url}/jobs/${id}/webhooks/redeliver`, { method: 'POST' });
    const [first, second] = await sink.got(2);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(second?.body).toBe(first?.body);
  });

  it('retries when the receiver asks for it, and never after 410', async () => {
    const sink = await aSink();
    sink.answer(() =>
      sink.received.length === 1 ? { status: 503, headers: { 'retry-after': '1' } } : { status: 410 },
    );
    const { attempts } = await reaches(await endedJob(stack, { url: sink.url }), 'failed');
    expect(attempts.map(({ status }) => status)).toEqual([503, 410]);
    const [first, second] = sink.received;
    // Without Retry-After, the delay would be at least four seconds.
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(990);
  });

  it("never shows a job's secret: not in answers, logs, or to the receiver", async () => {
    const sink = await aSink();
    const secret = newSecret();
    const id = await endedJob(stack, { url: `${sink.url}/?token=t0k3n`, secret });
    const delivery = await reaches(id, 'delivered');
    const job = await call(`${stack.url}/jobs/${id}`);
    const shown = [JSON.stringify(delivery), JSON.stringify(job), JSON.stringify(sink.received), dispatcher.output];
    for (const text of [...shown, stack.api.output]) expect(text).not.toContain(secret.slice(6));
    expect(dispatcher.output).not.toContain('t0k3n');
  });
});

describe('a dispatcher with API keys', () => {
  const newKey = () => `cf_${randomBytes(32).toString('base64url')}`;
  const [annas, bens] = [newKey(), newKey()];
  const [old, fresh, everybodys] = [newSecret(), newSecret(), newSecret()];
  const path = join(tmpdir(), `webhook-keys-${randomBytes(8).toString('hex')}.json`);
  /** Writes a keys file in which anna has these secrets and ben has none. */
  const writeSecrets = (secrets: readonly string[]) => {
    const about = (id: string, key: string) => ({
      id,
      sha256: createHash('sha256').update(key).digest('hex'),
      scopes: ['jobs'],
    });
    const keys = [{ ...about('anna', annas), webhook: { secrets } }, about('ben', bens)];
    return writeFile(path, JSON.stringify({ keys }));
  };
  let stack: TestStack;
  let dispatcher: Service;
  beforeAll(async () => {
    await writeSecrets([fresh, old]);
    const env = { WEBHOOK_ALLOW: '127.0.0.0/8', API_KEYS_FILE: path, WEBHOOK_SECRETS: everybodys };
    stack = await startStack({ redisUrl: inject('redisUrl'), env });
    dispatcher = await stack.startDispatcher();
  });
  afterAll(async () => {
    await stack.close();
    await rm(path, { force: true });
  });

  it("signs with the key's secrets, with both during a rotation, and follows the file", async () => {
    const sink = await aSink();
    await endedJob(stack, { url: sink.url }, annas);
    const [both] = (await sink.got(1)) as [ReceivedWebhook];
    expect(verified(old, both).data.id).toBe(verified(fresh, both).data.id);
    expect(() => verified(everybodys, both)).toThrow();
    // With keys, URLs of pictures and events are signed.
    expect(verified(fresh, both).data.urls.events).toContain('signature=');

    await writeSecrets([fresh]);
    await until('the old secret signs no more', async () => {
      const seen = sink.received.length;
      await endedJob(stack, { url: sink.url }, annas);
      const last = (await sink.got(seen + 1)).at(-1) as ReceivedWebhook;
      verified(fresh, last);
      return String(last.headers['webhook-signature']).split(' ').length === 1;
    });
    for (const secret of [old, fresh, everybodys, annas]) {
      expect(dispatcher.output).not.toContain(secret);
      expect(dispatcher.output).not.toContain(secret.slice(6));
    }
  });

  it('does not sign with WEBHOOK_SECRETS: webhooks of a key without secrets are not signed', async () => {
    const sink = await aSink();
    expect(dispatcher.output).toContain('WEBHOOK_SECRETS signs nothing');
    await endedJob(stack, { url: sink.url }, bens);
    const [request] = (await sink.got(1)) as [ReceivedWebhook];
    expect(request.headers).not.toHaveProperty('webhook-signature');
    expect(request.headers).toHaveProperty('webhook-id');
  });
});

describe('a dispatcher', () => {
  /** A ledger with jobs but without workers. */
  async function aLedger() {
    const { ledger, create, settings } = await openHousehold();
    const endedJob = async (callback: Callback) => {
      const id = await create(undefined, undefined, { callback });
      await ledger.jobs.cancel(id);
      return id;
    };
    return { ledger, settings, endedJob };
  }

  it('delivers every webhook, signed, even if other dispatchers are killed and the receiver fails', async () => {
    const secret = newSecret();
    const { settings, endedJob } = await aLedger();
    const sink = await aSink();
    const answered = new Set<string>();
    let turn = 0;
    sink.answer(({ headers }) => {
      turn += 1;
      if (turn % 3 === 0) return { status: 500 };
      if (turn % 7 === 0) return 'reset';
      if (turn % 11 === 0) return 'hang';
      answered.add(String(headers['webhook-id']));
      return {};
    });
    const retries = { WEBHOOK_TIMEOUT_MS: '500', WEBHOOK_RETRY_SECONDS: Array(30).fill('0.1').join(',') };
    const start = () => startDispatcher({ ...settings, ...retries, WEBHOOK_SECRETS: secret });
    const dispatchers = await Promise.all([start(), start()]);
    const ids: string[] = [];
    for (let round = 0; round < 2; round++) {
      const seen = sink.received.length;
      ids.push(...(await Promise.all(Array.from({ length: 20 }, () => endedJob({ url: sink.url })))));
      await sink.got(seen + 5);
      await dispatchers.shift()?.stop('SIGKILL');
      if (round === 0) dispatchers.push(await start());
    }
    await until('all were answered with 200', () => answered.size >= ids.length);
    expect([...answered].sort()).toEqual(ids.map((id) => `msg_${id}`).sort());
    for (const request of sink.received) {
      const { type, data } = verified(secret, request);
      expect([type, `msg_${data.id}`]).toEqual(['job.canceled', request.headers['webhook-id']]);
    }
  });

  it('finishes the deliveries under way when it is stopped, then exits with 0', async () => {
    const { ledger, settings, endedJob } = await aLedger();
    const sink = await aSink();
    const dispatcher = await startDispatcher(settings);
    let answer: () => void = () => {};
    sink.answer({ after: new Promise<void>((resolve) => (answer = resolve)) });
    const id = await endedJob({ url: sink.url });
    await sink.got(1);
    const stopped = dispatcher.stop('SIGTERM');
    await until('it is stopping', () => dispatcher.output.includes('"stopping"'));
    answer();
    await stopped;
    expect(dispatcher.exitCode).toBe(0);
    const { record } = (await ledger.jobs.get(id)) ?? {};
    expect(record && (await ledger.webhooks.delivery(record))).toMatchObject({
      state: 'delivered',
      attempts: [{ delivered: true }],
    });
  });

  it('exits at once at a second stop signal of any kind', async () => {
    const { settings, endedJob } = await aLedger();
    const sink = await aSink();
    const dispatcher = await startDispatcher(settings);
    sink.answer('hang');
    await endedJob({ url: sink.url });
    await sink.got(1);
    const stopped = dispatcher.stop('SIGTERM');
    await until('it is stopping', () => dispatcher.output.includes('"stopping"'));
    await dispatcher.stop('SIGINT');
    await stopped;
    expect(dispatcher.exitCode).toBe(1);
  });

  it('says in one line what is wrong with WEBHOOK_ALLOW', async () => {
    const start = startDispatcher({ WEBHOOK_ALLOW: '10.0.0.0/99' });
    await expect(start).rejects.toThrow(/ended with 1: .*WEBHOOK_ALLOW: "10\.0\.0\.0\/99" is not a host/s);
  });
});

const SETTINGS = { REDIS_TIMEOUT_MS: '30000', LOCK_MS: '1000', WEBHOOK_ALLOW: '127.0.0.0/8' };

/** Starts a dispatcher without an API and waits until it is ready; it is killed after the test. */
export async function startDispatcher(env: Readonly<Record<string, string>>): Promise<Service> {
  return onFreePort(async (port) => {
    const start = dispatcherOn(port);
    const service = startService(start.app, { ...SETTINGS, ...start.env, ...env });
    onTestFinished(() => service.stop('SIGKILL'));
    await ready(service, `${start.healthUrl}/readyz`);
    return service;
  });
}
