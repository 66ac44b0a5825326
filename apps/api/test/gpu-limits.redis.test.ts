import type { ApiKey, Job } from '@comfy-fleet/contracts';
import { PICTURE } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { aKey, as, startApi, type TestApi } from './api.js';
import { finishJob } from './finished-image.js';
import { drawing, publish, publishRealCatalogue, refusal } from './runnable.js';

const anna = (more: Partial<ApiKey> = {}) => aKey('anna', { scopes: ['jobs', 'graphs'], ...more });
const root = aKey('root', { scopes: ['jobs', 'graphs', 'admin'] });
const small = aKey('small', { scopes: ['jobs', 'graphs'], limits: { max_steps: 10, max_size: 256, max_count: 2 } });
const KEYS = [root, anna(), small];

/** The values that a job asks for. */
interface Asked {
  readonly steps?: number;
  readonly cfg?: number;
  readonly width?: number;
  readonly height?: number;
  readonly count?: number;
}
const BEYOND: readonly (readonly [what: string, asked: Asked, limit: string])[] = [
  ['steps', { steps: 151 }, '150'],
  ['cfg', { cfg: 31 }, '30'],
  ['size', { width: 2056 }, '2048'],
  ['count', { count: 9 }, '8'],
  ['pixels', { width: 2048, height: 2048 }, '4000000'],
];

/** A graph with the values in it, as clients of ComfyUI send them. */
function graphOf({ steps = 4, cfg = 8, width = 512, height = 512, count = 1 }: Asked) {
  const { 4: latent, 5: sampler, ...others } = drawing();
  return {
    ...others,
    4: { class_type: 'EmptyLatentImage', inputs: { ...latent?.inputs, width, height, batch_size: count } },
    5: { class_type: 'KSampler', inputs: { ...sampler?.inputs, steps, cfg } },
  };
}

/** The graph with its steps in a primitive node, which ComfyUI does not check against the bounds of the linked input. */
function primitiveGraphOf(asked: Asked) {
  const graph = graphOf(asked);
  const { inputs } = graph[5];
  const p = { class_type: 'PrimitiveInt', inputs: { value: inputs.steps } };
  return { ...graph, p, 5: { class_type: 'KSampler', inputs: { ...inputs, steps: ['p', 0] } } };
}

type Post = (api: TestApi, asked: Asked, key?: string) => Promise<Response>;
const ENDPOINTS: readonly (readonly [name: string, post: Post])[] = [
  ['POST /generate', (api, asked, key = 'anna') => api.post('/generate', { prompt: 'x', ...asked }, as(key))],
  [
    'POST /img2img',
    (api, asked, key = 'anna') => api.post('/img2img', { prompt: 'x', image: PICTURE, ...asked }, as(key)),
  ],
  [
    'POST /jobs/batch of pictures',
    (api, asked, key = 'anna') => api.post('/jobs/batch', { jobs: [{ prompt: 'x', ...asked }] }, as(key)),
  ],
  [
    'POST /jobs/batch of a workflow',
    (api, inputs, key = 'anna') =>
      api.post('/jobs/batch', { jobs: [{ kind: 'workflow', workflow: 'drawing', inputs }] }, as(key)),
  ],
  [
    'POST /jobs/batch of a graph',
    (api, asked, key = 'anna') =>
      api.post('/jobs/batch', { jobs: [{ kind: 'graph', graph: graphOf(asked) }] }, as(key)),
  ],
  [
    'POST /workflows/text2img',
    (api, asked, key = 'anna') => api.post('/workflows/text2img', { inputs: { prompt: 'x', ...asked } }, as(key)),
  ],
  ['POST /workflows/drawing', (api, inputs, key = 'anna') => api.post('/workflows/drawing', { inputs }, as(key))],
  ['POST /graphs', (api, asked, key = 'anna') => api.post('/graphs', { graph: graphOf(asked) }, as(key))],
  [
    'POST /graphs with primitives',
    (api, asked, key = 'anna') => api.post('/graphs', { graph: primitiveGraphOf(asked) }, as(key)),
  ],
  [
    "ComfyUI's POST /prompt",
    (api, asked, key = 'anna') => api.post(`/comfyui/k/${key}/prompt`, { prompt: graphOf(asked) }),
  ],
  ['POST /api/v2/jobs', (api, asked, key = 'anna') => api.post('/api/v2/jobs', { workflow: graphOf(asked) }, as(key))],
];

/** An API with higher limits than any request here, and the same jobs. */
let lenient: TestApi;
let api: TestApi;
beforeAll(async () => {
  const wide = { MAX_STEPS: '10000', MAX_CFG: '100', MAX_SIZE: '16384', MAX_COUNT: '4096' };
  lenient = await startApi(inject('redisUrl'), { keys: KEYS, env: wide });
  const { prefix } = lenient.config.redis;
  const shared = { KEY_PREFIX: prefix, FRAMES_DIR: lenient.framesDir };
  api = await startApi(inject('redisUrl'), { keys: KEYS, env: { ...shared, MAX_JOB_PIXELS: '4000000' } });
  await publishRealCatalogue(api);
  await publish(api, 'drawing', drawing());
});
afterAll(async () => {
  await api.close();
  await lenient.close();
});

async function accepted(answer: Response): Promise<Job> {
  if (answer.status !== 202) throw new Error(`${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as Job;
}

describe.each(ENDPOINTS)('%s', (_name, post) => {
  it.each(BEYOND)('refuses more %s than the service allows, and names the limit', async (_what, asked, limit) => {
    const answer = await post(api, asked);
    const text = await answer.text();
    expect([answer.ok, text.includes(limit)]).toEqual([false, true]);
  });

  it('accepts values within the limits, and refuses more than the key allows', async () => {
    expect((await post(api, { steps: 150, cfg: 30, width: 1024, count: 2 })).ok).toBe(true);
    const few = { width: 256, height: 256 };
    expect((await post(api, { steps: 10, ...few }, 'small')).ok).toBe(true);
    for (const asked of [
      { steps: 11, ...few },
      { ...few, width: 264 },
      { count: 3, ...few },
    ]) {
      expect((await post(api, asked, 'small')).ok).toBe(false);
    }
  });
});

it('refuses prompts whose graph and workflow would take too much space in all pictures together', async () => {
  const saving = (pictures: number, note = '') => ({
    1: {
      class_type: 'EmptyImage',
      inputs: { width: 8, height: 8, batch_size: pictures, color: 0 },
      _meta: { title: note },
    },
    2: { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: 'x' } },
  });
  const workflow = 'w'.repeat(900_000);
  const sent = (pictures: number) =>
    api.post('/comfyui/k/anna/prompt', { prompt: saving(pictures), extra_data: { extra_pnginfo: { workflow } } });
  expect((await sent(200)).status).toBe(200);
  const refused = await sent(400);
  expect([refused.status, await refused.text()]).toEqual([
    400,
    expect.stringMatching(/graph, its workflow and unchanged files into 400 files/),
  ]);
  const large = await api.post('/graphs', { graph: saving(800, 'w'.repeat(450_000)) }, as('anna'));
  const said = {
    pointer: '/graph/2/class_type',
    detail: expect.stringMatching(/graph, its workflow and unchanged files into 800 files/),
  };
  expect(await refusal(large)).toMatchObject(['validation_failed', said]);
});

describe('a graph that takes too long to check', () => {
  const joined = (nodes: number, links: number) => {
    const images = Array.from({ length: links }, (_, n) => [`images.image${n}`, ['e', 0]] as const);
    const node = { class_type: 'BatchImagesNode', inputs: Object.fromEntries(images) };
    const all = Object.fromEntries(Array.from({ length: nodes }, (_, n) => [n, node] as const));
    return { ...all, e: { class_type: 'EmptyImage', inputs: {} } };
  };
  const answersTo = async (graph: unknown) => {
    const answers = await Promise.all([
      api.post('/graphs', { graph }, as('anna')),
      api.post('/comfyui/k/anna/prompt', { prompt: graph }),
      api.post('/api/v2/jobs', { workflow: graph }, as('anna')),
    ]);
    expect(answers.map(({ ok }) => ok)).toEqual([false, false, false]);
    return Promise.all(answers.map((answer) => answer.text()));
  };

  it.each([
    ['inputs', joined(300, 21), '6300 inputs; at most 6000 are allowed'],
    ['nodes', joined(500, 1), '501 nodes; at most 500 are allowed'],
  ])('is refused for its %s', async (_what, graph, said) => {
    for (const text of await answersTo(graph)) expect(text).toContain(said);
  });

  it('is neither one with the most inputs allowed, nor one whose nodes or inputs are a long text', async () => {
    const text = 'x'.repeat(7000);
    for (const graph of [joined(300, 20), text, { 1: text }, { 1: { class_type: 'EmptyImage', inputs: text } }]) {
      expect((await answersTo(graph)).filter((told) => /are the most|are allowed/.test(told))).toEqual([]);
    }
  });
});

describe('a job that was accepted under higher limits', () => {
  const before = async (asked: Asked) =>
    accepted(await lenient.post('/generate', { prompt: 'x', ...asked }, as('anna')));

  it.each(BEYOND)('is not retried with more %s than the service now allows', async (_what, asked, limit) => {
    const { id } = await before(asked);
    await lenient.post(`/jobs/${id}/cancel`, {}, as('anna'));
    const [code, ...errors] = await refusal(await api.post(`/jobs/${id}/retry`, undefined, as('anna')));
    expect([code, JSON.stringify(errors).includes(limit)]).toEqual(['validation_failed', true]);
  });

  it.each(BEYOND.filter(([what]) => what !== 'count'))('is not refined with more %s', async (_what, asked, limit) => {
    const { id } = await before({ ...asked });
    await finishJob(lenient, id);
    const [code, ...errors] = await refusal(await api.post(`/jobs/${id}/refine`, { lod: 'final' }, as('anna')));
    expect([code, JSON.stringify(errors).includes(limit)]).toEqual(['validation_failed', true]);
  });
});

describe("OpenAI's API", () => {
  it.each([
    ['size', { size: '2056x64' }, '2048'],
    ['pixels', { size: '2048x2048' }, '4000000'],
  ])('refuses a larger %s than the service allows', async (_what, asked, limit) => {
    const answer = await api.post('/v1/images/generations', { prompt: 'x', ...asked }, as('anna'));
    expect([answer.status, (await answer.text()).includes(limit)]).toEqual([400, true]);
  });
});

describe('a refusal', () => {
  it.each([
    [{ count: 4096 }, '/inputs/count', 'must be 8 or less'],
    [{ steps: 10_000 }, '/inputs/steps', 'must be 150 or less'],
    [{ width: 16_384, height: 16_384 }, '/inputs/width', 'must be 2048 or less'],
  ])('names the field and the limit: %j', async (inputs, pointer, detail) => {
    const body = { inputs: { prompt: 'x', ...inputs } };
    const [code, first] = await refusal(await api.post('/workflows/text2img', body, as('anna')));
    expect([code, first]).toEqual(['validation_failed', { pointer, detail }]);
  });

  it('names the node of the graph that has the value', async () => {
    const answer = await api.post('/graphs', { graph: primitiveGraphOf({ steps: 151 }) }, as('anna'));
    const detail = 'must be 150 or less; it is 151';
    expect(await refusal(answer)).toEqual(['validation_failed', { pointer: '/graph/p/inputs/value', detail }]);
  });

  it('applies the bounds of an input to a linked number in the graph of a key, but not of an admin', async () => {
    const n = { class_type: 'PrimitiveFloat', inputs: { value: 2 } };
    const { 5: sampler, ...others } = graphOf({});
    const graph = { ...others, n, 5: { ...sampler, inputs: { ...sampler.inputs, denoise: ['n', 0] } } };
    const detail = 'must be from 0 to 1; it is 2';
    const answer = await api.post('/graphs', { graph }, as('anna'));
    expect(await refusal(answer)).toEqual(['validation_failed', { pointer: '/graph/5/inputs/denoise', detail }]);
    await accepted(await api.post('/graphs', { graph }, as('root')));
  });

  it('of a number above its maximum has the form of ComfyUI on its API', async () => {
    const answer = await api.post('/comfyui/k/anna/prompt', { prompt: graphOf({ steps: 151 }) });
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      {
        error: { type: 'prompt_outputs_failed_validation' },
        node_errors: {
          5: {
            class_type: 'KSampler',
            errors: [
              {
                type: 'value_bigger_than_max',
                message: 'Value 151 bigger than max of 150',
                details: 'steps',
                extra_info: { input_name: 'steps', input_config: ['INT', { max: 150 }], received_value: 151 },
              },
            ],
          },
        },
      },
    ]);
  });
});

describe('limits', () => {
  const schemaOf = async (name: string, key: string) => {
    const { inputs } = (await (await api.get(`/workflows/${name}`, as(key))).json()) as {
      inputs: { properties: Record<string, { minimum?: number; maximum?: number }> };
    };
    return inputs.properties;
  };

  it('are the bounds in the schema of a workflow, with those of the key that reads it', async () => {
    expect(await schemaOf('text2img', 'anna')).toMatchObject({
      steps: { minimum: 1, maximum: 150 },
      cfg: { maximum: 30 },
      width: { minimum: 64, maximum: 2048 },
      count: { minimum: 1, maximum: 8 },
    });
    expect(await schemaOf('drawing', 'small')).toMatchObject({
      steps: { maximum: 10 },
      height: { maximum: 256 },
      count: { maximum: 2 },
    });
  });

  it('are the bounds in the OpenAPI document', async () => {
    const text = await (await api.get('/openapi.json', as('anna'))).text();
    const { paths } = JSON.parse(text) as { paths: Record<string, object> };
    const drawn = JSON.stringify(paths['/workflows/drawing']);
    expect(drawn).toContain('"steps":{"type":"integer","minimum":1,"maximum":150');
    expect(drawn).not.toContain('10000');
  });

  it('of a key also bound the values of a level of detail', async () => {
    const job = await accepted(await api.post('/generate', { prompt: 'x', lod: 'final' }, as('small')));
    expect(job).toMatchObject({ steps: 10, request: { width: 256 } });
  });

  it('of a workflow replace those of the service, but not those of the key', async () => {
    const inputs = { limits: { max_steps: 300, max_count: 2 } };
    await publish(api, 'patient', { graph: drawing(), inputs });
    const run = (asked: Asked, key = 'anna') => api.post('/workflows/patient', { inputs: asked }, as(key));
    expect((await run({ steps: 300, count: 2 })).status).toBe(202);
    expect((await refusal(await run({ steps: 301 })))[1]).toEqual({
      pointer: '/inputs/steps',
      detail: 'must be 300 or less',
    });
    expect((await run({ count: 3 })).status).toBe(422);
    expect((await run({ steps: 11 }, 'small')).status).toBe(422);
  });

  it('apply to the values in the graph of a workflow', async () => {
    await publish(api, 'endless', graphOf({ steps: 9999 }));
    const [code, error] = await refusal(await api.post('/workflows/endless', {}, as('anna')));
    expect([code, error]).toEqual([
      'validation_failed',
      { pointer: '/inputs/steps', detail: 'must be 150 or less; it is 9999' },
    ]);
  });

  it('apply to keys with the scope admin too', async () => {
    expect((await api.post('/generate', { prompt: 'x', steps: 151 }, as('root'))).status).toBe(422);
  });
});
