import type { WorkflowAnswer, WorkflowChanges, WorkflowInspection } from '@comfy-fleet/contracts';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';

/** The largest seed, which no JavaScript number can hold. */
const SEED = '18446744073709551615';
const graphText = (sigma: number, more = '') =>
  `{"1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64}, "_meta": {"title": "Canvas"}},
    "2": {"class_type": "AddNoise", "inputs": {"image": ["1", 0], "seed": ${SEED}, "sigma": ${sigma}}},
    ${more}"3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}}}`;
const NAMED = { sigma: { node: '2', widget: 'sigma', minimum: 0, maximum: 2 } };
const upload = (sigma: number, inputs: object = NAMED, more = '') =>
  `{"graph": ${graphText(sigma, more)}, "inputs": ${JSON.stringify({ inputs })}}`;

let api: TestApi;
beforeAll(async () => {
  const keys = [aKey('admin', { scopes: ['jobs', 'admin'] }), aKey('anna'), aKey('ben', { workflows: ['other-*'] })];
  api = await startApi(inject('redisUrl'), { keys });
});
afterAll(() => api.close());

let names = 0;
const aName = () => `draft-${++names}`;
function put(name: string, body: string, { query = '', key = 'admin' } = {}) {
  const headers = { 'Content-Type': 'application/json', ...as(key).headers };
  return fetch(`${api.url}/workflows/${name}${query}`, { method: 'PUT', headers, body });
}
const inspect = async (name: string, body: string, query = '?dry_run=check') =>
  (await (await put(name, body, { query })).json()) as WorkflowInspection;
const get = (path: string, key = 'admin') => api.get(path, as(key));
function run(name: string, body: object, key = 'admin') {
  const headers = { 'Content-Type': 'application/json', ...as(key).headers };
  return fetch(`${api.url}/workflows/${name}`, { method: 'POST', headers, body: JSON.stringify(body) });
}

describe('PUT /workflows/:name?dry_run', () => {
  it('describes the outcome of publishing, with every widget that could be an input, and publishes nothing', async () => {
    const name = aName();
    const found = await inspect(name, upload(1));
    expect(found).toMatchObject({ outcome: 'new', changes: null, workflow: { name, published_at: null } });
    expect(found.source.graph).toContain(SEED);
    expect(found.source).toMatchObject({ inputs: { inputs: NAMED }, bindings: null, linear_data: null });
    expect(found.nodes).toContainEqual({
      node_id: '1',
      title: 'Canvas',
      class_type: 'EmptyImage',
      widgets: [
        { widget: 'width', schema: { type: 'integer', default: 64 }, value: 64 },
        { widget: 'height', schema: { type: 'integer', default: 64 }, value: 64 },
      ],
    });
    expect((await get(`/workflows/${name}`)).status).toBe(404);
  });

  it('distinguishes a new version from the one that is served', async () => {
    const name = aName();
    await put(name, upload(1));
    expect(await inspect(name, upload(1))).toMatchObject({ outcome: 'same', changes: { nodes: [] } });
    expect(await inspect(name, upload(2))).toMatchObject({
      outcome: 'changed',
      changes: {
        inputs: [{ input: 'sigma', change: 'changed', changes: [{ what: 'default', before: 1, after: 2 }] }],
        nodes: [{ node_id: '2', change: 'changed', changes: [{ what: 'sigma', before: 1, after: 2 }] }],
      },
    });
    expect(await inspect('text2img', await (await get('/workflows/text2img/source')).text())).toMatchObject({
      outcome: 'changed',
      workflow: { hides_file: true },
    });
  });

  it('names the nodes that each note is about', async () => {
    const odd = { sigma: { ...NAMED.sigma, minimum: 5, maximum: 9 }, gone: { node: '1', widget: 'depth' } };
    const { workflow } = await inspect(aName(), upload(1, odd));
    expect(workflow.notes).toContainEqual(
      expect.objectContaining({ kind: 'odd_default', node_ids: ['2'], widget: 'sigma', input: 'sigma' }),
    );
    expect(workflow.notes).toContainEqual(expect.objectContaining({ kind: 'unsettled', node_ids: ['1'] }));
  });

  it('is refused where publishing would be, with the place in the graph', async () => {
    const dangling = upload(1, {}, '"4": {"class_type": "Blur", "inputs": {"image": ["9", 0]}},');
    const problem = await problemOf(await put(aName(), dangling, { query: '?dry_run=check' }));
    expect(problem).toMatchObject({ code: 'invalid_workflow', errors: [{ pointer: '/graph/4/inputs/image' }] });
    expect((await put(aName(), upload(1), { query: '?dry_run=maybe' })).status).toBe(422);
    expect((await put(aName(), upload(1), { query: '?dry_run=check', key: 'anna' })).status).toBe(403);
  });
});

describe('POST /workflows/:name with a version', () => {
  it('runs an unpublished draft for admins, under its name', async () => {
    const name = aName();
    const { version } = (await inspect(name, upload(1), '?dry_run=try')).workflow;
    const answer = await run(name, { version, inputs: { sigma: 2 } });
    expect(answer.status).toBe(202);
    expect(await answer.json()).toMatchObject({ request: { workflow: name, inputs: { sigma: 2 } } });
    expect(await problemOf(await run(name, { version, inputs: { sigma: 3 } }))).toMatchObject({
      errors: [{ pointer: '/inputs/sigma' }],
    });
    expect((await run(name, { version }, 'anna')).status).toBe(404);
    const unseen = (await inspect(name, upload(7))).workflow.version;
    expect((await run(name, { version: unseen })).status).toBe(404);
  });

  it('refuses a draft under a name whose required inputs it lacks', async () => {
    const { version } = (await inspect(aName(), upload(1), '?dry_run=try')).workflow;
    const refused = await problemOf(await run('text2img', { version, inputs: {} }));
    expect(refused).toMatchObject({ status: 422, code: 'invalid_workflow' });
    expect(refused.detail).toContain('text2img');
  });

  it('runs an older version for every key that may run the workflow', async () => {
    const name = aName();
    const { version } = (await (await put(name, upload(1))).json()) as WorkflowAnswer;
    await put(name, upload(2));
    expect(await (await run(name, { version }, 'anna')).json()).toMatchObject({ request: { inputs: { sigma: 1 } } });
    expect((await run(name, { version }, 'ben')).status).toBe(403);
    expect((await run(name, { version: '0'.repeat(64) })).status).toBe(404);
  });
});

describe('GET /workflows/:name/source', () => {
  it('answers a version in the form in which it can be published again', async () => {
    const name = aName();
    const { version } = (await (await put(name, upload(1))).json()) as WorkflowAnswer;
    await put(name, upload(2));
    const text = await (await get(`/workflows/${name}/source?version=${version}`)).text();
    expect(text).toContain(SEED);
    expect(await (await put(name, text)).json()).toMatchObject({ version });
    expect(JSON.parse(await (await get(`/workflows/${name}/source`)).text()).inputs).toEqual({ inputs: NAMED });
  });
});

describe('GET /workflows/:name/changes', () => {
  it('compares the newest version with the one before it, or any two versions', async () => {
    const name = aName();
    const versions: string[] = [];
    for (const body of [upload(1), upload(2), upload(2, {})]) {
      versions.push(((await (await put(name, body)).json()) as WorkflowAnswer).version);
    }
    const changes = async (query = '') =>
      (await (await get(`/workflows/${name}/changes${query}`, 'anna')).json()) as WorkflowChanges;
    expect(await changes()).toMatchObject({
      from: versions[1],
      to: versions[2],
      inputs: [{ input: 'sigma', change: 'removed' }],
      nodes: [],
    });
    expect(await changes(`?from=${versions[0]}&to=${versions[1]}`)).toMatchObject({ nodes: [{ node_id: '2' }] });
    expect((await get(`/workflows/${name}/changes?to=${versions[0]}`)).status).toBe(404);
    expect((await get('/workflows/text2img/changes')).status).toBe(404);
  });
});
