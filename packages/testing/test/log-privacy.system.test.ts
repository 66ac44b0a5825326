import { createHash, randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { createGpus, PICTURE, type Service, startFleet, startWebhookSink, until } from '../src/index.js';

const CANARY = 'yellow-canary-in-a-coal-mine';
const KEY = `key-${randomBytes(16).toString('hex')}`;
const BODY = { prompt: CANARY, negative_prompt: CANARY, lod: 'sketch', width: 64, height: 64, steps: 2 };

const closing: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

/**
 * Has a job made, rendered, told of by a webhook that answers with what it got, one refused by a node that quotes the
 * prompt, and requests that are wrong in the ways that quote what was sent. Answers what each process printed.
 */
async function run(env: Record<string, string>): Promise<Record<string, string>> {
  const keysFile = join(tmpdir(), `keys-${randomBytes(8).toString('hex')}.json`);
  const sha256 = createHash('sha256').update(KEY).digest('hex');
  await writeFile(keysFile, JSON.stringify({ keys: [{ id: 'anna', sha256, scopes: ['jobs', 'admin'] }] }));
  closing.push(() => rm(keysFile));
  const gpus = await createGpus();
  closing.push(() => gpus.close());
  const gpu = await gpus.start(1);
  const sink = await startWebhookSink();
  closing.push(() => sink.close());
  sink.answer(({ body }) => ({ status: 500, body }));
  const fleet = await startFleet({
    redisUrl: inject('redisUrl'),
    env: {
      API_KEYS_FILE: keysFile,
      WEBHOOK_ALLOW: '127.0.0.0/8',
      WEBHOOK_RETRY_SECONDS: '0.05',
      LOG_LEVEL: 'debug',
      LOG_FORMAT: 'json',
      ...env,
    },
  });
  closing.push(() => fleet.close());
  const services: Record<string, Service> = {
    api: fleet.api,
    worker: await fleet.startWorker('w', [gpu.url]),
    dispatcher: await fleet.startDispatcher(),
  };
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
  const post = (path: string, body: string) => fetch(fleet.url + path, { method: 'POST', headers, body });
  const ended = async (answer: Response) => {
    const { id } = (await answer.json()) as { id: string };
    return (await (await fetch(`${fleet.url}/jobs/${id}?wait=30`, { headers })).json()) as { status: string };
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
  expect((await fetch(`${fleet.url}/lods`, { headers: { authorization: `Bearer ${KEY}x` } })).status).toBe(401);
  await sink.got(2);
  await until('the webhook has failed for good', () => services.dispatcher?.output.includes('failed for good'));
  for (const service of Object.values(services)) await service.stop();
  return Object.fromEntries(Object.entries(services).map(([name, { output }]) => [name, output]));
}

const linesWith = (output: string, text: string) => output.split('\n').filter((line) => line.includes(text));

let outputs: Record<string, string>;
beforeAll(async () => {
  outputs = await run({});
});

it('writes no prompt and no key into any log, at the level debug', () => {
  expect(Object.keys(outputs)).toEqual(['api', 'worker', 'dispatcher']);
  for (const [name, output] of Object.entries(outputs)) {
    expect(output.length, name).toBeGreaterThan(500);
    expect(linesWith(output, CANARY), name).toEqual([]);
    expect(linesWith(output, KEY), name).toEqual([]);
  }
});

it('writes the prompts of the jobs that a worker submits, and still no key, with LOG_PROMPTS=1', async () => {
  const open = await run({ LOG_PROMPTS: '1' });
  const submitted = linesWith(open.worker ?? '', 'job is submitted').map((line) => JSON.parse(line));
  expect(submitted.map(({ prompt, negative_prompt }) => [prompt, negative_prompt])).toEqual(
    Array(3).fill([CANARY, CANARY]),
  );
  for (const { job } of submitted) expect(job).toMatch(/^[0-9a-f-]{36}$/);
  expect(linesWith(open.worker ?? '', `cannot encode '${CANARY}'`).length).toBeGreaterThan(0);
  for (const [name, output] of Object.entries(open)) expect(linesWith(output, KEY), name).toEqual([]);
});

it('writes the job on each line about one, in every process', () => {
  const lines = (name: string) =>
    (outputs[name] ?? '')
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
  expect(Object.values(aboutJobs).map(({ length }) => length)).toEqual([6, 3, 2]);
  for (const { job } of Object.values(aboutJobs).flat()) expect(job).toMatch(/^[0-9a-f-]{36}$/);
});
