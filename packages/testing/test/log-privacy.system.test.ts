import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import {
  createGpus,
  type Gpus,
  PICTURE,
  type Service,
  type Simulator,
  startStack,
  startWebhookSink,
  type TestStack,
  until,
  type WebhookSink,
} from '../src/index.js';

const CANARY = 'yellow-canary-in-a-coal-mine';
const KEY = `key-${randomBytes(16).toString('hex')}`;
const BODY = { prompt: CANARY, negative_prompt: CANARY, lod: 'sketch', width: 64, height: 64, steps: 2 };

const SECRET_KEYS = JSON.stringify({
  keys: [{ id: 'anna', sha256: createHash('sha256').update(KEY).digest('hex'), scopes: ['jobs', 'admin'] }],
});

let folder: string;
let gpus: Gpus;
let gpu: Simulator;
let sink: WebhookSink;
let stack: TestStack;
/** The output of each process. */
let outputs: Record<'api' | 'worker' | 'dispatcher' | 'openWorker', string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'comfy-fleet-privacy-'));
  const keysFile = join(folder, 'keys.json');
  await writeFile(keysFile, SECRET_KEYS);
  gpus = await createGpus();
  gpu = await gpus.start(1);
  sink = await startWebhookSink();
  sink.answer(({ body }) => ({ status: 500, body }));
  stack = await startStack({
    redisUrl: inject('redisUrl'),
    env: {
      API_KEYS_FILE: keysFile,
      WEBHOOK_ALLOW: '127.0.0.0/8',
      WEBHOOK_RETRY_SECONDS: '0.05',
      LOG_LEVEL: 'debug',
      LOG_FORMAT: 'json',
    },
  });
  const dispatcher = await stack.startDispatcher();
  const failedForGood = () => dispatcher.output.split('failed for good').length - 1;
  const workers: Service[] = [];
  // Only the worker uses LOG_PROMPTS.
  for (const env of [{}, { LOG_PROMPTS: '1' }]) {
    const worker = await stack.startWorker('w', [gpu.url], env);
    workers.push(worker);
    await quoteCanary();
    await until('the webhook has failed for good', () => failedForGood() === workers.length);
    await worker.stop();
  }
  await Promise.all([stack.api, dispatcher].map((service) => service.stop()));
  const [worker, openWorker] = workers.map(({ output }) => output) as [string, string];
  outputs = { api: stack.api.output, worker, dispatcher: dispatcher.output, openWorker };
});
afterAll(async () => {
  await stack.close();
  await Promise.all([sink.close(), gpus.close(), rm(folder, { recursive: true })]);
});

/**
 * Creates a job, renders it, reports it by a webhook that answers with the request; a job that a node refuses with a
 * quote of the prompt; and invalid requests whose errors quote them.
 */
async function quoteCanary(): Promise<void> {
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
  const post = (path: string, body: string) => fetch(stack.url + path, { method: 'POST', headers, body });
  const ended = async (answer: Response) => {
    const { id } = (await answer.json()) as { id: string };
    return until('the job has ended', async () => {
      const shown = await (await fetch(`${stack.url}/jobs/${id}?wait=30`, { headers })).json();
      const job = shown as { status: string; finished_at: string | null };
      return job.finished_at !== null && job;
    });
  };
  const order = JSON.stringify({ ...BODY, metadata: { note: CANARY }, webhook: { url: sink.url } });
  expect((await ended(await post('/generate', order))).status).toBe('succeeded');
  expect((await ended(await post('/img2img', JSON.stringify({ ...BODY, image: PICTURE })))).status).toBe('succeeded');
  gpu.faults.add({ kind: 'node_error', times: 1, message: `cannot encode '${CANARY}'` });
  expect((await ended(await post('/generate', JSON.stringify(BODY)))).status).toBe('failed');
  for (const [body, status] of [
    [`{"prompt": ${CANARY}`, 400],
    [JSON.stringify({ ...BODY, lod: CANARY }), 422],
    [JSON.stringify({ ...BODY, [CANARY]: 1 }), 422],
  ] as const) {
    expect((await post('/generate', body)).status).toBe(status);
  }
  expect((await fetch(`${stack.url}/lods`, { headers: { authorization: `Bearer ${KEY}x` } })).status).toBe(401);
}

const linesWith = (output: string, text: string) => output.split('\n').filter((line) => line.includes(text));

it('writes no prompt and no key into any log at the level debug', () => {
  const { openWorker: _, ...closed } = outputs;
  expect(Object.keys(closed)).toEqual(['api', 'worker', 'dispatcher']);
  for (const [name, output] of Object.entries(closed)) {
    expect(output.length, name).toBeGreaterThan(500);
    expect(linesWith(output, CANARY), name).toEqual([]);
    expect(linesWith(output, KEY), name).toEqual([]);
  }
});

it('writes the prompts of submitted jobs, but still no key, with LOG_PROMPTS=1', () => {
  const { openWorker } = outputs;
  const submitted = linesWith(openWorker, 'job is submitted').map((line) => JSON.parse(line));
  expect(submitted.map(({ prompt, negative_prompt }) => [prompt, negative_prompt])).toEqual(
    Array(3).fill([CANARY, CANARY]),
  );
  for (const { job } of submitted) expect(job).toMatch(/^[0-9a-f-]{36}$/);
  expect(linesWith(openWorker, `cannot encode '${CANARY}'`).length).toBeGreaterThan(0);
  expect(linesWith(openWorker, KEY)).toEqual([]);
});

it("writes the job's id on each line about it, in every process", () => {
  const lines = (name: keyof typeof outputs) =>
    outputs[name]
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const aboutJobs = {
    api: lines('api').filter(
      ({ message, status, path }) => message === 'request' && (status === 202 || `${path}`.startsWith('/jobs/')),
    ),
    worker: lines('worker').filter(({ message }) => message === 'job ended'),
    dispatcher: lines('dispatcher').filter(({ message }) => `${message}`.startsWith('webhook ')),
  };
  expect(Object.values(aboutJobs).map(({ length }) => length)).toEqual([12, 3, 4]);
  for (const { job } of Object.values(aboutJobs).flat()) expect(job).toMatch(/^[0-9a-f-]{36}$/);
});
