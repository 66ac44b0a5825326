import { Session } from 'node:inspector/promises';
import type { Job } from '@comfy-fleet/contracts';
import { PICTURE, until } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { facades } from '../src/facades/facades.js';
import { routes } from '../src/resources/routes.js';
import { aWorker } from './announcements.js';
import { aKey, as, startApi, type TestApi } from './api.js';
import { finishJob } from './finished-image.js';
import { drawing, publish, publishRealCatalogue } from './runnable.js';

const XL = 'sd_xl_base_1.0.safetensors';
/** Bert's key may not use the first one, and no instance has the second one. */
const SECRET = 'secret.safetensors';
const UNKNOWN = 'unknwn.safetensors';
const SOURCES = ['https://models.example/secret.safetensors'];
const KINDS = ['loras', 'checkpoints'];
const SCOPES = ['jobs', 'graphs'] as const;

const LORA_LOADERS = ['LoraLoader', 'LoraLoaderModelOnly'];
const CHECKPOINT_LOADERS = ['CheckpointLoaderSimple', 'unCLIPCheckpointLoader'];
/** A catalogue of a real ComfyUI whose folders have these models. */
const withModels = (...models: string[]) => ({
  ...Object.fromEntries(LORA_LOADERS.map((name) => [name, { lora_name: ['add_detail.safetensors', ...models] }])),
  ...Object.fromEntries(CHECKPOINT_LOADERS.map((name) => [name, { ckpt_name: [XL, ...models] }])),
});

const keys = [
  aKey('root', { scopes: [...SCOPES, 'admin'] }),
  ...['anna', 'bert', 'cora'].map((id) => aKey(id, { scopes: [...SCOPES] })),
];
const graphWith = (model: string) => {
  const graph = drawing();
  Object.assign(graph[2]?.inputs ?? {}, { lora_name: model });
  return graph;
};
const json = (key: string) => ({ headers: { ...as(key).headers, 'Content-Type': 'application/json' } });
const asBert = (api: TestApi, path: string, body: object) => api.post(path, body, json('bert'));
const limit = async (api: TestApi, name: string) => {
  for (const kind of KINDS) {
    const body = { sources: SOURCES, keys: ['anna'] };
    const answer = await api.post(`/models/${kind}/${name}`, body, { method: 'PUT', ...json('root') });
    if (answer.status !== 201) throw new Error(await answer.text());
  }
};

type Door = (api: TestApi, model: string) => Promise<Response>;
const workflowOf = (model: string) => `draws-${model.slice(0, 6)}`;
const DOORS: Readonly<Record<string, Door>> = {
  'POST /generate': (api, checkpoint) => asBert(api, '/generate', { prompt: 'a fox', checkpoint }),
  'POST /img2img': (api, checkpoint) => asBert(api, '/img2img', { prompt: 'a fox', checkpoint, image: PICTURE }),
  'POST /workflows/:name': (api, style) => asBert(api, '/workflows/drawing', { inputs: { style, seed: 1 } }),
  'POST /workflows/:name of a workflow that has it': (api, model) => asBert(api, `/workflows/${workflowOf(model)}`, {}),
  'POST /graphs': (api, model) => asBert(api, '/graphs', { graph: graphWith(model) }),
  'POST /jobs/batch, a picture': (api, checkpoint) =>
    asBert(api, '/jobs/batch', { jobs: [{ prompt: 'a fox', checkpoint }] }),
  'POST /jobs/batch, a workflow': (api, style) =>
    asBert(api, '/jobs/batch', { jobs: [{ kind: 'workflow', workflow: 'drawing', inputs: { style } }] }),
  'POST /jobs/batch, a graph': (api, model) =>
    asBert(api, '/jobs/batch', { jobs: [{ kind: 'graph', graph: graphWith(model) }] }),
  'POST /comfyui/prompt': (api, model) => asBert(api, '/comfyui/prompt', { prompt: graphWith(model) }),
  'POST /api/v2/jobs': (api, model) => asBert(api, '/api/v2/jobs', { workflow: graphWith(model) }),
  'POST /v1/images/generations': (api, model) =>
    asBert(api, '/v1/images/generations', { model: workflowOf(model), prompt: 'a fox' }),
  'POST /jobs/:id/retry': (api, model) => asBert(api, `/jobs/${earlier.get(`graph ${model}`)}/retry`, {}),
  'POST /jobs/:id/refine': (api, model) =>
    asBert(api, `/jobs/${earlier.get(`sketch ${model}`)}/refine`, { lod: 'mid' }),
  'GET /models/:kind/:model': (api, model) => api.get(`/models/loras/${model}`, as('bert')),
};
/** Jobs of bert's from when his key could use both models. */
const earlier = new Map<string, string>();

const UUID = /[0-9a-f]{8}-[0-9a-f-]{27}/g;
/** What an answer says, without what differs between any two answers. */
async function said(answer: Response, model: string) {
  const text = (await answer.text()).replaceAll(model, 'MODEL').replaceAll(workflowOf(model), 'WORKFLOW');
  const same = text
    .replaceAll(UUID, 'ID')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/[0-9a-f]{64}/g, 'VERSION')
    .replaceAll(/\?expires=[^"]*/g, '')
    .replaceAll(/"queue_position":\d+/g, '')
    .replace(/(\d+ jobs come|One job comes) before it|It comes next/, '');
  return [answer.status, answer.headers.get('content-type'), same];
}

const MOST_TRIES = 20;
type Calls = readonly ReadonlySet<string>[];
/** What ran in each of these calls and in none of the others. */
const onlyIn = (calls: Calls, others: Calls) =>
  [...(calls[0] ?? [])].filter((name) => calls.every((ran) => ran.has(name)) && !others.some((ran) => ran.has(name)));

/** The functions of ours that run during a call. */
async function functionsOf(session: Session, call: () => Promise<unknown>): Promise<Set<string>> {
  await session.post('Profiler.takePreciseCoverage');
  await call();
  const { result } = await session.post('Profiler.takePreciseCoverage');
  const ours = /apps\/api\/src\/(orders|models|facades|resources|files)\/|packages\/workflows\/src\//;
  const ran = result.flatMap(({ url, functions }) =>
    functions
      .filter(({ ranges }) => ours.test(url) && ranges.some(({ count }) => count > 0))
      .map(({ functionName, ranges }) => `${url.replace(/.*\/src\//, '')} ${functionName} ${ranges[0]?.startOffset}`),
  );
  return new Set(ran);
}

describe('while instances are known', () => {
  let api: TestApi;
  const session = new Session();
  beforeAll(async () => {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
    api = await startApi(inject('redisUrl'), { keys });
    await publishRealCatalogue(api, withModels(SECRET, UNKNOWN));
    await publish(api, 'drawing', drawing());
    for (const model of [SECRET, UNKNOWN]) {
      await publish(api, workflowOf(model), {
        ...graphWith(model),
        3: {
          class_type: 'CLIPTextEncode',
          inputs: { text: 'a tram', clip: ['1', 1] },
          _meta: { title: 'input:prompt' },
        },
      });
      const sketch = await asBert(api, '/generate', { prompt: 'a fox', lod: 'sketch', checkpoint: model });
      const { id } = (await sketch.json()) as Job;
      await finishJob(api, id);
      earlier.set(`sketch ${model}`, id);
      const graph = (await (await DOORS['POST /graphs']?.(api, model))?.json()) as Job;
      await asBert(api, `/jobs/${graph.id}/cancel`, {});
      earlier.set(`graph ${model}`, graph.id);
    }
    await publishRealCatalogue(api, withModels(SECRET));
    await limit(api, SECRET);
    await until('the catalogue to be read again', async () => {
      const answer = await (DOORS['POST /graphs'] as Door)(api, UNKNOWN);
      return answer.status === 422;
    });
  });
  afterAll(async () => {
    await session.post('Profiler.stopPreciseCoverage');
    session.disconnect();
    await api.close();
  });

  it('accepts a job of a key that may use the model', async () => {
    const answer = await api.post('/graphs', { graph: graphWith(SECRET) }, json('anna'));
    expect(answer.status).toBe(202);
  });

  it.each(Object.entries(DOORS))('answers at %s as for a model that nobody has', async (_door, send) => {
    const secret = await said(await send(api, SECRET), SECRET);
    expect(secret).toEqual(await said(await send(api, UNKNOWN), UNKNOWN));
    expect(secret[0]).toBeGreaterThanOrEqual(400);
  });

  it.each(Object.entries(DOORS))('runs the same code at %s as for a model that nobody has', async (_door, send) => {
    const run = (model: string) => functionsOf(session, async () => (await send(api, model)).text());
    const secret: Set<string>[] = [];
    const unknown: Set<string>[] = [];
    const differences = () => [onlyIn(secret, unknown), onlyIn(unknown, secret)];
    // The first calls fill caches, and any other may meet one that is read again in the background.
    do {
      const isOdd = secret.length % 2 === 1;
      if (isOdd) unknown.push(await run(UNKNOWN));
      secret.push(await run(SECRET));
      if (!isOdd) unknown.push(await run(UNKNOWN));
    } while (secret.length < MOST_TRIES && differences().some(({ length }) => length > 0));
    expect(secret[0]?.size).toBeGreaterThan(0);
    expect(differences()).toEqual([[], []]);
  });

  it('does not name the model in anything that the key can read', async () => {
    // What operators wrote into workflows themselves is shown, whether or not such models exist.
    for (const model of [SECRET, UNKNOWN])
      await api.get(`/workflows/${workflowOf(model)}`, { method: 'DELETE', ...as('root') });
    const values: Readonly<Record<string, readonly string[]>> = {
      id: [((await (await api.post('/graphs', { graph: drawing() }, json('cora'))).json()) as Job).id],
      name: ['drawing', 'text2img', ...LORA_LOADERS, ...CHECKPOINT_LOADERS],
      folder: ['loras', 'checkpoints'],
      kind: KINDS,
    };
    const readable = [...routes(api.deps), ...facades(api.deps).flatMap((facade) => facade.routes)].filter(
      ({ method, path, access, held }) =>
        method === 'GET' && access !== 'admin' && access !== 'browsed' && !held && !/events|\/ws$/.test(path),
    );
    const paths = readable.flatMap(({ path }) => {
      const [, parameter] = /:(\w+)/.exec(path) ?? [];
      const filled =
        parameter === undefined
          ? [path]
          : (values[parameter] ?? ['x']).map((value) => path.replace(`:${parameter}`, value));
      return filled.map((one) => one.replaceAll(/:\w+/g, 'x'));
    });
    expect(paths).toEqual(expect.arrayContaining(['/models', '/openapi.json', '/comfyui/object_info', '/v1/models']));
    const naming = async (key: string) => {
      const found: string[] = [];
      for (const path of paths) if ((await (await api.get(path, as(key))).text()).includes(SECRET)) found.push(path);
      return found;
    };
    // Bert named the model in jobs of his own.
    expect(await naming('cora')).toEqual([]);
    expect(await naming('anna')).toEqual([
      '/workflows/drawing',
      '/workflows/text2img',
      '/models',
      '/comfyui/object_info',
      ...[...LORA_LOADERS, ...CHECKPOINT_LOADERS].map((name) => `/comfyui/object_info/${name}`),
      '/comfyui/models/loras',
      '/comfyui/models/checkpoints',
    ]);
  });

  it('hides the model from all keys when it is deleted, since hosts may still have the file', async () => {
    const answer = await api.get(`/models/loras/${SECRET}`, { method: 'DELETE', ...as('root') });
    expect(answer.status).toBe(204);
    for (const key of ['root', 'anna', 'bert']) {
      const refused = await api.post('/graphs', { graph: graphWith(SECRET) }, json(key));
      expect([key, refused.status]).toEqual([key, 422]);
      expect(await (await api.get('/comfyui/models/loras', as(key))).text()).not.toContain(SECRET);
    }
  });

  it('does not hide the file of a deleted model that all keys might use', async () => {
    const path = '/models/loras/add_detail.safetensors';
    await api.post(path, { sources: SOURCES }, { method: 'PUT', ...json('root') });
    expect((await api.get(path, { method: 'DELETE', ...as('root') })).status).toBe(204);
    expect((await api.get(path, as('bert'))).status).toBe(404);
    expect(await (await api.get('/comfyui/models/loras', as('bert'))).text()).toContain('add_detail.safetensors');
  });

  it('refuses a link to the name of such a model, whoever sends it, unless it is an operator', async () => {
    const linked: Record<string, unknown> = {
      ...drawing(),
      20: { class_type: 'PrimitiveString', inputs: { value: SECRET } },
      21: { class_type: 'ComfySwitchNode', inputs: { switch: true, on_false: ['20', 0], on_true: ['20', 0] } },
    };
    const loader = {
      class_type: 'LoraLoaderModelOnly',
      inputs: { model: ['1', 0], lora_name: ['21', 0], strength_model: 1 },
    };
    const send = (key: string) => api.post('/graphs', { graph: { ...linked, 2: loader } }, json(key));
    for (const key of ['anna', 'bert']) {
      expect(await said(await send(key), SECRET)).toMatchObject([
        422,
        'application/problem+json',
        expect.stringContaining('lora_name of LoraLoaderModelOnly is linked to a STRING, and takes a choice'),
      ]);
    }
    expect(await (await send('root')).text()).not.toContain('no link');
  });
});

it('accepts a job while no instance is known, as for a model that nobody has, but never runs it', async () => {
  const api = await startApi(inject('redisUrl'), { keys });
  try {
    await limit(api, SECRET);
    await publish(api, 'drawing', drawing());
    const send = DOORS['POST /workflows/:name'] as Door;
    const answers = { secret: await send(api, SECRET), unknown: await send(api, UNKNOWN) };
    const ids = [answers.secret.clone(), answers.unknown.clone()].map(
      async (answer) => ((await answer.json()) as Job).id,
    );
    const [secretId = '', unknownId = ''] = await Promise.all(ids);
    expect(await said(answers.secret, SECRET)).toEqual(await said(answers.unknown, UNKNOWN));

    await publishRealCatalogue(api, withModels(SECRET));
    await api.worker.presence.takeName(api.stopping);
    await api.worker.presence.announce(aWorker());
    const seen = (id: string) => api.get(`/jobs/${id}`, as('bert'));
    await until(
      'the instance to be known',
      async () => ((await (await seen(unknownId)).json()) as Job).waiting_for?.code === 'missing',
    );
    const waiting = await said(await seen(secretId), SECRET);
    expect(waiting).toEqual(await said(await seen(unknownId), UNKNOWN));
    const { record } = (await api.ledger.jobs.get(secretId)) ?? {};
    expect(record?.request.denied).toEqual([SECRET]);
  } finally {
    await api.close();
  }
});
