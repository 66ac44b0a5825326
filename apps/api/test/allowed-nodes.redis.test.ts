import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiKey, Job } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { expect, inject, it, onTestFinished } from 'vitest';
import { aKey, as, startApi, type TestApi } from './api.js';
import { plain } from './pictures.js';
import { drawing, inverting, publish, publishRealCatalogue, refusal } from './runnable.js';

/** Node 8 passes on the name from node 9 through an output that ComfyUI accepts as any type. */
const NAMES = {
  8: { class_type: 'ComfySwitchNode', inputs: { switch: true, on_true: ['9', 0], on_false: ['9', 0] } },
  9: { class_type: 'PrimitiveString', inputs: { value: 'somebody_elses.png' } },
};
/** A graph with a class that reads a whole folder. */
const READING_A_FOLDER = { ...inverting(), 1: { class_type: 'LoadImageDataSetFromFolder', inputs: { folder: '3d' } } };
/** A graph in which a file widget gets its name over a link. */
const BY_LINK = { ...inverting(), 1: { class_type: 'LoadImage', inputs: { image: ['8', 0] } }, ...NAMES };

const anna = (more: Partial<ApiKey> = {}) => aKey('anna', { scopes: ['jobs', 'graphs'], ...more });
const root = aKey('root', { scopes: ['jobs', 'graphs', 'admin'] });

async function open(options: Parameters<typeof startApi>[1] = { keys: [root, anna()] }): Promise<TestApi> {
  const api = await startApi(inject('redisUrl'), options);
  onTestFinished(() => api.close());
  await publishRealCatalogue(api);
  return api;
}

/** Announces another instance of the pool with these descriptions of classes. */
async function publishClasses({ worker }: TestApi, classes: Record<string, object>): Promise<void> {
  const texts = Object.entries(classes).map(([name, described]): [string, string] => [name, JSON.stringify(described)]);
  const digest = JSON.stringify(classes).length.toString(16).padStart(64, '0');
  const catalogue = { instance: 'gpu-1/2', seenAt: Date.now(), digest, classes: texts, replacements: {} };
  await worker.abilities.publish(['default'], catalogue);
}

/** All endpoints that create jobs from callers' own graphs. */
const ENDPOINTS: [name: string, post: (api: TestApi, graph: object, key?: string) => Promise<Response>][] = [
  ['POST /graphs', (api, graph, key = 'anna') => api.post('/graphs', { graph }, as(key))],
  [
    'POST /jobs/batch',
    (api, graph, key = 'anna') => api.post('/jobs/batch', { jobs: [{ kind: 'graph', graph }] }, as(key)),
  ],
  ["ComfyUI's POST /prompt", (api, prompt, key = 'anna') => api.post(`/comfyui/k/${key}/prompt`, { prompt })],
  ['POST /api/v2/jobs', (api, workflow, key = 'anna') => api.post('/api/v2/jobs', { workflow }, as(key))],
];

it.each(ENDPOINTS)(
  '%s refuses a class that API keys may not use, and names what the operator can do',
  async (_, post) => {
    const api = await open();
    const answer = await post(api, READING_A_FOLDER);
    expect(answer.ok).toBe(false);
    const text = await answer.text();
    expect(text).toContain('LoadImageDataSetFromFolder is not an allowed node class');
    expect(text).toContain('ALLOWED_NODES_FILE');
  },
);

it.each(ENDPOINTS)('%s refuses a link into a file widget', async (_, post) => {
  const api = await open();
  const answer = await post(api, BY_LINK);
  expect(answer.ok).toBe(false);
  expect(await answer.text()).toContain('image of LoadImage takes only the plain name of a file of yours');
});

it.each(ENDPOINTS)('%s accepts the same graphs from a key with the scope admin', async (_, post) => {
  const api = await open();
  for (const graph of [READING_A_FOLDER, BY_LINK]) expect((await post(api, graph, 'root')).ok).toBe(true);
});

it.each(ENDPOINTS)(
  '%s refuses a link inside "__value__" of any key, which would stop the instance',
  async (_, post) => {
    const api = await open();
    const graph = { 1: { class_type: 'PreviewAny', inputs: { source: { __value__: ['99', 0] } } } };
    for (const key of ['anna', 'root']) {
      const answer = await post(api, graph, key);
      expect(answer.ok).toBe(false);
      expect(await answer.text()).toContain('contains a link inside');
    }
  },
);

it('accepts any node class from every caller when there are no API keys', async () => {
  const api = await open({});
  expect((await api.post('/graphs', { graph: READING_A_FOLDER })).status).toBe(202);
});

it('lets a key run a published workflow with classes that its own graphs may not use', async () => {
  const api = await open();
  await publish(api, 'folder', READING_A_FOLDER);
  expect((await api.post('/workflows/folder', {}, as('anna'))).status).toBe(202);
});

it('accepts a class that the key allows, and refuses one that it denies', async () => {
  const keys = [
    anna({ allow_nodes: ['LoadImageDataSet*'] }),
    aKey('bert', { scopes: ['jobs', 'graphs'], deny_nodes: ['KSampler*'] }),
  ];
  const api = await open({ keys });
  expect((await api.post('/graphs', { graph: READING_A_FOLDER }, as('anna'))).status).toBe(202);
  const [code, ...errors] = await refusal(await api.post('/graphs', { graph: drawing() }, as('bert')));
  expect([code, ...errors]).toEqual([
    'validation_failed',
    { pointer: '/graph/5/class_type', detail: 'KSampler is a node class that this API key may not use' },
  ]);
});

it('refuses to retry a job with classes that the key may no longer use', async () => {
  const api = await open({ keys: [anna({ allow_nodes: ['*'] })] });
  const { id } = (await (await api.post('/graphs', { graph: READING_A_FOLDER }, as('anna'))).json()) as Job;
  await api.post(`/jobs/${id}/cancel`, undefined, as('anna'));
  const again = () => api.post(`/jobs/${id}/retry`, undefined, as('anna'));
  expect((await again()).status).toBe(202);
  await writeFile(api.keysFile, JSON.stringify({ keys: [anna()] }));
  await until('the key to lose its rights', async () => (await again()).status === 422);
  expect((await refusal(await again()))[1]?.detail).toContain('is not an allowed node class');
});

it('refuses a core class of ComfyUI that a custom node replaces on one instance of the pool', async () => {
  const api = await open();
  expect((await api.post('/graphs', { graph: drawing() }, as('anna'))).status).toBe(202);
  await publishClasses(api, {
    KSampler: { python_module: 'custom_nodes.evil', input: { required: {} }, output: ['LATENT'] },
  });
  const refused = async () => (await api.post('/graphs', { graph: drawing() }, as('anna'))).status === 422;
  await until('the catalogue to be read again', refused);
  const [, error] = await refusal(await api.post('/graphs', { graph: drawing() }, as('anna')));
  expect(error?.detail).toContain("where custom_nodes.evil replaces ComfyUI's own");
});

it('accepts the classes of ALLOWED_NODES_FILE, with file widgets that can only name files of the key', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'allowed-nodes-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const file = join(dir, 'allowed.json');
  await writeFile(file, JSON.stringify({ packs: { 'custom_nodes.stills': { 'still*': 'image' } } }));
  const api = await open({ keys: [anna()], env: { ALLOWED_NODES_FILE: file } });
  const input = { required: { still: [['theirs.png'], {}] } };
  await publishClasses(api, {
    PickStill: { python_module: 'custom_nodes.stills.pick', input, output: ['IMAGE'] },
    PreviewImage: {
      python_module: 'nodes',
      input: { required: { images: ['IMAGE', {}] } },
      output_node: true,
      output: [],
    },
    PrimitiveString: {
      python_module: 'comfy_extras.nodes_primitive',
      input: { required: { value: ['STRING', {}] } },
      output: ['STRING'],
    },
    ComfySwitchNode: {
      python_module: 'comfy_extras.nodes_logic',
      input: { required: Object.fromEntries(['switch', 'on_true', 'on_false'].map((name) => [name, ['*', {}]])) },
      output: ['*'],
    },
  });
  const graphOf = (still: unknown, more: object = {}) => ({
    1: { class_type: 'PickStill', inputs: { still } },
    2: { class_type: 'PreviewImage', inputs: { images: ['1', 0] } },
    ...more,
  });
  const run = (graph: object) => api.post('/graphs', { graph }, as('anna'));
  const form = new FormData();
  form.set('file', new Blob([new Uint8Array(await plain(8, 8, 'red').png().toBuffer())]), 'mine.png');
  const asset = (await (await api.get('/assets', { method: 'POST', body: form, ...as('anna') })).json()) as {
    id: string;
  };
  const job = (await (await run(graphOf(`asset:${asset.id}`))).json()) as Job;
  expect(job.request).toMatchObject({ inputs: { file_1: expect.anything() } });
  expect((await refusal(await run(graphOf('theirs.png'))))[1]?.pointer).toBe('/graph/1/inputs/still');
  const [, linked] = await refusal(await run(graphOf(['8', 0], NAMES)));
  expect(linked?.detail).toContain('still of PickStill takes only the plain name of a file of yours');
});
