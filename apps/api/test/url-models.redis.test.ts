import type { Job, ModelList } from '@comfy-fleet/contracts';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';
import { drawing, publish, publishRealCatalogue, refusal } from './runnable.js';

const SCOPES = ['jobs', 'graphs', 'models'] as const;
const HASH = 'ab'.repeat(32);
const XL = 'sd_xl_base_1.0.safetensors';

let api: TestApi;
beforeAll(async () => {
  const keys = [
    aKey('root', { scopes: ['jobs', 'admin'] }),
    aKey('anna', { scopes: [...SCOPES] }),
    aKey('bert', { scopes: [...SCOPES] }),
    aKey('cora', { scopes: ['jobs', 'graphs'] }),
  ];
  api = await startApi(inject('redisUrl'), { keys });
  await publishRealCatalogue(api);
  await publish(api, 'drawing', drawing());
});
afterAll(() => api.close());

const json = (key: string) => ({ headers: { ...as(key).headers, 'Content-Type': 'application/json' } });
const graphWith = (lora: string, checkpoint = XL) => {
  const graph = drawing();
  Object.assign(graph[1]?.inputs ?? {}, { ckpt_name: checkpoint });
  Object.assign(graph[2]?.inputs ?? {}, { lora_name: lora });
  return graph;
};
const post = (path: string, body: object, key = 'anna') => api.post(path, body, json(key));
const modelsOf = async (key: string) => ((await (await api.get('/models', as(key))).json()) as ModelList).data;

/** Every way to create a job, with a URL in place of a LoRA. */
const DOORS: Readonly<Record<string, (url: string) => Promise<Response>>> = {
  'POST /workflows/:name': (style) => post('/workflows/drawing', { inputs: { style } }),
  'POST /graphs': (url) => post('/graphs', { graph: graphWith(url) }),
  'POST /jobs/batch, a workflow': (style) =>
    post('/jobs/batch', { jobs: [{ kind: 'workflow', workflow: 'drawing', inputs: { style } }] }),
  'POST /jobs/batch, a graph': (url) => post('/jobs/batch', { jobs: [{ kind: 'graph', graph: graphWith(url) }] }),
  'POST /comfyui/prompt': (url) => post('/comfyui/prompt', { prompt: graphWith(url) }),
  'POST /api/v2/jobs': (url) => post('/api/v2/jobs', { workflow: graphWith(url) }),
};

it.each(Object.entries(DOORS))('registers a model by its URL at %s, for the key alone', async (door, send) => {
  const source = `https://models.example/${encodeURIComponent(door)}/detail.safetensors?download=1`;
  const before = await modelsOf('anna');
  const answer = await send(`${source}#sha256=${HASH.toUpperCase()}`);
  expect([answer.status, answer.ok ? '' : await answer.text()]).toEqual([expect.any(Number), '']);
  const known = new Set(before.map(({ name }) => name));
  const [own, ...others] = (await modelsOf('anna')).filter(({ name }) => !known.has(name));
  expect(others).toEqual([]);
  expect(own).toMatchObject({
    kind: 'loras',
    sha256: HASH,
    by_url: true,
    name: expect.stringMatching(/^url\/\w+\.safetensors$/),
  });
  expect(own).not.toHaveProperty('sources');
  const name = own?.name ?? '';
  expect((await modelsOf('root')).find((model) => model.name === name)).toMatchObject({
    sources: [source],
    keys: ['anna'],
  });
  expect((await modelsOf('bert')).map((model) => model.name)).not.toContain(name);
  // Nobody else can name it either.
  expect((await refusal(await post('/graphs', { graph: graphWith(name) }, 'bert')))[0]).toBe('no_able_instance');
  expect((await post('/graphs', { graph: graphWith(name) })).status).toBe(202);
});

it('puts the name of the model into the job', async () => {
  const url = 'https://models.example/in-job.safetensors';
  const answer = await post('/workflows/drawing', { inputs: { style: url } });
  const { request } = (await answer.json()) as Job;
  const [model] = (await modelsOf('root')).filter(({ sources }) => sources?.includes(url));
  expect(request.inputs).toMatchObject({ style: model?.name });
});

it.each([
  ['a key without the scope models', 'https://models.example/a', XL, 'cora', 'forbidden'],
  [
    'a kind that the operator does not allow',
    'add_detail.safetensors',
    'https://models.example/a',
    'anna',
    'validation_failed',
  ],
  ['a private address', 'https://10.0.0.1/a', XL, 'anna', 'url_not_allowed'],
  ['credentials in the URL', 'https://a:b@models.example/a', XL, 'anna', 'validation_failed'],
  ['a hash of another kind', 'https://models.example/a#md5=0', XL, 'anna', 'validation_failed'],
  ['a URL without TLS', 'http://models.example/a', XL, 'anna', 'no_able_instance'],
])('refuses %s', async (_what, lora, checkpoint, key, code) => {
  const before = (await modelsOf('root')).length;
  const problem = await problemOf(await post('/graphs', { graph: graphWith(lora, checkpoint) }, key));
  expect(problem.code).toBe(code);
  expect((await modelsOf('root')).length).toBe(before);
});

it('takes a URL as the checkpoint of a picture if the operator allows checkpoints', async () => {
  const env = { MODEL_URL_KINDS: 'loras, checkpoints' };
  const other = await startApi(inject('redisUrl'), { env, keys: [aKey('anna', { scopes: [...SCOPES] })] });
  try {
    const body = { prompt: 'a fox', checkpoint: 'https://models.example/base.safetensors' };
    const answer = await other.post('/generate', body, json('anna'));
    const { request } = (await answer.json()) as Job;
    expect(request.checkpoint).toMatch(/^url\/\w+\.safetensors$/);
  } finally {
    await other.close();
  }
});

it('leaves URLs alone where no model is expected', async () => {
  const graph = {
    ...drawing(),
    3: { class_type: 'CLIPTextEncode', inputs: { text: 'https://models.example/text', clip: ['1', 1] } },
  };
  const before = (await modelsOf('root')).length;
  expect((await post('/graphs', { graph })).status).toBe(202);
  expect((await modelsOf('root')).length).toBe(before);
});
