import type { WorkflowAnswer, WorkflowList, WorkflowVersions } from '@comfy-fleet/contracts';
import { catalogueWith, until, withText } from '@comfy-fleet/testing';
import type { OpenAPIObject } from 'openapi3-ts/oas31';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { aWorker } from './announcements.js';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';

/** The largest seed, which no JavaScript number can hold. */
const SEED = '18446744073709551615';
const graphText = (seed: string, title = 'input:picture') =>
  `{"1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "_meta": {"title": "${title}"}},
    "2": {"class_type": "AddNoise", "inputs": {"image": ["1", 0], "seed": ${seed}}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}}}`;

let api: TestApi;
let other: TestApi;
beforeAll(async () => {
  const keys = [aKey('admin', { scopes: ['jobs', 'admin'] }), aKey('anna')];
  api = await startApi(inject('redisUrl'), { keys });
  other = await startApi(inject('redisUrl'), { keys, env: { KEY_PREFIX: api.config.redis.prefix } });
});
afterAll(async () => {
  await other.close();
  await api.close();
});

let names = 0;
const aName = () => `flow-${++names}`;
function put(name: string, body: string | Buffer, more: { type?: string; key?: string; at?: TestApi } = {}) {
  const { type = 'application/json', key = 'admin', at = api } = more;
  const headers = { 'Content-Type': type, ...as(key).headers };
  return fetch(`${at.url}/workflows/${name}`, { method: 'PUT', headers, body: new Uint8Array(Buffer.from(body)) });
}
const get = (path: string, at = api) => at.get(path, as('anna'));
const show = async (name: string, at = api) => (await (await get(`/workflows/${name}`, at)).json()) as WorkflowAnswer;
const list = async (at = api) => (await (await get('/workflows', at)).json()) as WorkflowList;

it('documents numbers beyond 2^53 exactly', async () => {
  const name = aName();
  const big = '9007199254740993';
  await put(
    name,
    `{"1": {"class_type": "PrimitiveInt", "inputs": {"value": ${big}}, "_meta": {"title": "input:big.value"}},
      "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}}`,
  );
  const text = await until('the workflow to be documented', async () => {
    const document = await (await get('/openapi.json')).text();
    return document.includes(`/workflows/${name}`) && document;
  });
  expect(text).toContain(`"default":${big}`);
});

it('shows how long the nodes of a version take, the slowest first', async () => {
  const name = aName();
  await put(name, graphText('1'));
  const { version, node_times } = await show(name);
  expect(node_times).toEqual([]);
  const took = (nodeId: string, ms: number) => ({ nodeId, ms, work: 2 });
  await api.worker.nodeTimes.learn(version, [took('3', 40.4), took('2', 900), took('repeat', 5)]);
  expect((await show(name)).node_times).toEqual([
    { node_id: '2', title: 'AddNoise', class_type: 'AddNoise', ms: 900 },
    { node_id: '3', title: 'SaveImage', class_type: 'SaveImage', ms: 40 },
  ]);
  await put(name, graphText('2'));
  expect((await show(name)).node_times).toEqual([]);
});

it('says which instances can run a workflow with its defaults, not with the values that the defaults replace', async () => {
  const graph = `{"1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "authors-own.safetensors"}},
    "2": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "_meta": {"title": "input:picture"}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
    "4": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}, "_meta": {"title": "output:model"}}}`;
  const namingModel = (model: string) =>
    `{"graph": ${graph}, "inputs": {"inputs": {"model": {"node": "1", "widget": "ckpt_name", "default": "${model}"}}}}`;
  const abilities = {
    CheckpointLoaderSimple: { ckpt_name: ['installed.safetensors'] },
    LoadImage: { image: [] },
    SaveImage: {},
    PreviewAny: {},
  };
  const alone = await startApi(inject('redisUrl'));
  onTestFinished(() => alone.close());
  const seen = { instance: 'gpu-1/1', seenAt: Date.now(), ...catalogueWith(abilities) };
  await alone.worker.abilities.publish(['default'], seen);
  await alone.worker.presence.announce(aWorker());
  const ableTo = async (body: string) => {
    const name = aName();
    expect((await put(name, body, { at: alone })).status).toBe(201);
    return (await show(name, alone)).pools[0]?.instances;
  };
  expect(await ableTo(namingModel('installed.safetensors'))).toEqual([
    { name: 'gpu-1/1', able: true, lacks: [], missing: [] },
  ]);
  expect(await ableTo(namingModel('missing.safetensors'))).toMatchObject([
    { able: false, missing: [{ node_id: '1', widget: 'ckpt_name', value: 'missing.safetensors' }] },
  ]);
  expect(await ableTo(graph)).toMatchObject([{ able: false, missing: [{ value: 'authors-own.safetensors' }] }]);
});

describe('PUT /workflows/:name', () => {
  it('answers 201 for a new name, and 200 for another version or the same one', async () => {
    const name = aName();
    const first = await put(name, graphText('1'));
    expect([first.status, first.headers.get('location')]).toEqual([201, `/workflows/${name}`]);
    expect(await first.json()).toMatchObject({ name, source: 'registry', published_by: 'admin' });
    expect((await put(name, graphText('1'))).status).toBe(200);
    expect((await put(name, graphText('2'))).status).toBe(200);
    const versions = (await (await get(`/workflows/${name}/versions`)).json()) as WorkflowVersions;
    expect(versions.data).toHaveLength(2);
    expect(versions.data[0]).toMatchObject({ version: (await show(name)).version, published_by: 'admin' });
  });

  it('takes a graph alone, in the body of a POST /prompt, and together with an inputs file', async () => {
    const [plain, prompt, wrapped] = [aName(), aName(), aName()];
    await put(plain, graphText('1'));
    await put(prompt, `{"prompt": ${graphText('1')}, "client_id": "x"}`);
    await put(
      wrapped,
      `{"graph": ${graphText('1')}, "inputs": {"description": "Noise", "inputs": {"noise": {"node": "2", "widget": "seed"}}}}`,
    );
    expect((await show(prompt)).version).toBe((await show(plain)).version);
    const shown = await show(wrapped);
    expect(shown).toMatchObject({
      description: 'Noise',
      found: [
        { input: 'noise', rule: 'inputs_file' },
        { input: 'picture', rule: 'title' },
      ],
    });
  });

  it.each(['png', 'webp'] as const)(
    'takes a %s that ComfyUI saved, with the inputs that App mode shows',
    async (format) => {
      const name = aName();
      const workflow = JSON.stringify({ nodes: [], extra: { linearData: { inputs: [[2, 'seed']], outputs: [3] } } });
      const answer = await put(name, await picture(format, { prompt: graphText(SEED, 'Load'), workflow }), {
        type: `image/${format}`,
      });
      expect(answer.status).toBe(201);
      expect((await show(name)).found).toContainEqual(expect.objectContaining({ input: 'seed', rule: 'app_mode' }));
      expect(await (await get(`/workflows/${name}/source`)).text()).toContain(SEED);
    },
  );

  it('refuses a picture without a workflow, a body that is not a graph, and a file in the format of the editor', async () => {
    const bare = await put(aName(), await picture('png', {}), { type: 'image/png' });
    expect(await problemOf(bare)).toMatchObject({
      code: 'invalid_workflow',
      detail: expect.stringContaining('no workflow in it'),
    });
    const editor = await put(aName(), JSON.stringify({ nodes: [], links: [] }));
    expect(await problemOf(editor)).toMatchObject({
      code: 'invalid_workflow',
      detail: expect.stringContaining('Export (API)'),
    });
    for (const body of [
      '{}',
      '[]',
      '7',
      'nonsense',
      '{"1": {"class_type": 7}}',
      '{"graph": {}}',
      '{"graph": {"1": 2}, "x": 1}',
    ]) {
      expect(await problemOf(await put(aName(), body)), body).toMatchObject({ status: 422, code: 'invalid_workflow' });
    }
  });

  it('refuses a text2img without the inputs that POST /generate sets, and keeps the old one', async () => {
    const refused = await put('text2img', graphText('1'));
    expect(await problemOf(refused)).toMatchObject({ code: 'invalid_workflow' });
    expect(await show('text2img')).toMatchObject({ source: 'folder', published_at: null });
  });

  it('refuses invalid names and bodies that are too large', async () => {
    for (const name of ['graph', 'a%2Fb', '-x', 'x'.repeat(65)]) {
      expect(await problemOf(await put(name, graphText('1'))), name).toMatchObject({ code: 'validation_failed' });
    }
    const large = `{"1": "${'x'.repeat(api.config.workflows.maxBytes)}"}`;
    expect(await problemOf(await put(aName(), large))).toMatchObject({ code: 'body_too_large' });
    const deep = `${'['.repeat(100)}${']'.repeat(100)}`;
    expect(await problemOf(await put(aName(), deep))).toMatchObject({ code: 'body_too_large' });
    expect(await problemOf(await put(aName(), 'x', { type: 'text/plain' }))).toMatchObject({
      code: 'unsupported_media_type',
    });
  });

  it('is for keys with the scope admin', async () => {
    expect((await put(aName(), graphText('1'), { key: 'anna' })).status).toBe(403);
  });
});

describe('the other workflow routes', () => {
  it('show a workflow in every process of the fleet, and delete it from all of them', async () => {
    const name = aName();
    await put(name, graphText('1'));
    const isThere = async (at: TestApi) => (await list(at)).data.some((one) => one.name === name);
    await until('the other process to have it', () => isThere(other));
    expect(await show(name, other)).toEqual(await show(name));
    const gone = await fetch(`${other.url}/workflows/${name}`, { method: 'DELETE', headers: as('admin').headers });
    expect(gone.status).toBe(204);
    expect(await problemOf(await get(`/workflows/${name}`, other))).toMatchObject({ code: 'workflow_not_found' });
    await until('the first process to be without it', async () => !(await isThere(api)));
  });

  it('answer the source of a version exactly as it was published', async () => {
    const name = aName();
    await put(name, graphText(SEED));
    const { version } = await show(name);
    await put(name, graphText('2'));
    const source = (query: string) => get(`/workflows/${name}/source${query}`);
    expect(await (await source(`?version=${version}`)).text()).toContain(SEED);
    expect(await (await source('')).json()).toEqual({ graph: JSON.parse(graphText('2')) });
    expect(await problemOf(await source(`?version=${'0'.repeat(64)}`))).toMatchObject({ code: 'workflow_not_found' });
  });

  it('list the workflows of the folder too, and refuse to delete them', async () => {
    expect((await list()).data).toContainEqual(expect.objectContaining({ name: 'text2img', source: 'folder' }));
    const refused = await fetch(`${api.url}/workflows/text2img`, { method: 'DELETE', headers: as('admin').headers });
    expect(await problemOf(refused)).toMatchObject({ code: 'workflow_is_a_file' });
  });

  it('suggest the nearest name for an unknown one', async () => {
    expect((await problemOf(await get('/workflows/text2imgs'))).detail).toContain('text2img');
  });
});

it('has a path for each workflow in openapi.json as soon as it is published', async () => {
  const name = aName();
  await put(name, graphText('1'));
  const document = (await (await get('/openapi.json')).json()) as OpenAPIObject;
  const body = document.paths?.[`/workflows/${name}`]?.post?.requestBody;
  const own = {
    required: ['inputs'],
    properties: { inputs: { required: ['picture'], properties: { picture: { type: 'string' } } } },
  };
  const allOf = [{ $ref: '#/components/schemas/RunOptions' }, own];
  expect(body).toMatchObject({ content: { 'application/json': { schema: { allOf } } } });
});

/** A picture with texts as ComfyUI writes them: PNG text chunks, or in a WebP EXIF texts that begin with their name. */
async function picture(format: 'png' | 'webp', texts: Readonly<Record<string, string>>): Promise<Buffer> {
  const blank = sharp({ create: { width: 8, height: 8, channels: 3, background: '#808080' } });
  if (format === 'webp') {
    const { prompt, workflow } = texts;
    const exif = { IFD0: { Model: `prompt:${prompt}`, Make: `workflow:${workflow}` } };
    return blank.webp().withExif(exif).toBuffer();
  }
  const png = await blank.png().toBuffer();
  return Object.entries(texts).reduce<Buffer>((made, [name, text]) => withText(made, text, name), png);
}
