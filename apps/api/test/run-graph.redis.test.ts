import { type ApiKey, type Job, newId } from '@comfy-fleet/contracts';
import { expect, inject, it, onTestFinished } from 'vitest';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';
import { drawing, inverting, publish, publishRealCatalogue, refusal } from './runnable.js';

async function open(more: Partial<ApiKey> = {}): Promise<TestApi> {
  const keys = [aKey('root', { scopes: ['admin'] }), aKey('anna', { scopes: ['jobs', 'graphs'], ...more })];
  const api = await startApi(inject('redisUrl'), { keys });
  onTestFinished(() => api.close());
  await publishRealCatalogue(api);
  return api;
}

const run = (api: TestApi, graph: unknown, more: object = {}) => api.post('/graphs', { graph, ...more }, as('anna'));

it('runs a graph unchanged, with a seed that no JavaScript number can hold', async () => {
  const api = await open();
  const seed = '18446744073709551615';
  const text = JSON.stringify({ graph: drawing() }).replace(/"seed":\d+/, `"seed":${seed}`);
  const headers = { ...as('anna').headers, 'Content-Type': 'application/json' };
  const answer = await fetch(`${api.url}/graphs`, { method: 'POST', headers, body: text });
  expect(answer.status).toBe(202);
  const job = (await answer.json()) as Job;
  expect([job.kind, job.request.workflow]).toEqual(['workflow', 'graph']);
  const source = await api.ledger.jobs.source(job);
  expect(source).toContain(`"seed":${seed}`);
});

it('answers a repeat with one Idempotency-Key with the first job, and refuses the key for another graph', async () => {
  const api = await open();
  const headers = { ...as('anna').headers, 'Idempotency-Key': newId() };
  const send = (graph: unknown) => api.post('/graphs', { graph }, { headers });
  const [first, again] = [await send(drawing()), await send(drawing())];
  expect([first.status, again.status, again.headers.get('idempotent-replayed')]).toEqual([202, 202, 'true']);
  expect(((await again.json()) as Job).id).toBe(((await first.json()) as Job).id);
  const graph = drawing();
  const other = { ...graph, 5: { ...graph[5], inputs: { ...graph[5]?.inputs, seed: 8 } } };
  expect((await problemOf(await send(other))).code).toBe('idempotency_key_reused');
});

it('refuses a body that is not a graph, a graph without outputs, and a link to a missing node', async () => {
  const api = await open();
  expect((await refusal(await run(api, {})))[0]).toBe('validation_failed');
  expect((await problemOf(await run(api, 'text'))).detail).toBe('The graph is not an object of nodes.');
  expect((await refusal(await run(api, { nodes: [], links: [] })))[1]?.detail).toContain('Export (API)');
  const { 3: _saved, ...unsaved } = inverting('https://example.com/a.png');
  expect((await run(api, { 1: unsaved[1] })).status).toBe(422);
  const astray = { ...drawing(), 99: { class_type: 'SaveImage', inputs: { images: ['98', 0], filename_prefix: 'x' } } };
  const [, dangling] = await refusal(await run(api, astray));
  expect([dangling?.pointer, dangling?.detail]).toEqual(['/graph/99/inputs/images', expect.stringContaining('98')]);
});

it('refuses the name of a file on an instance, and names the field', async () => {
  const api = await open();
  const [code, error] = await refusal(await run(api, inverting('somebody_elses.png')));
  expect([code, error?.pointer]).toEqual(['validation_failed', '/graph/1/inputs/image']);
});

it('names the places in the graph that ComfyUI would refuse, and those that need something no instance has', async () => {
  const api = await open();
  const graph = drawing();
  const wrong = {
    ...graph,
    5: { class_type: 'KSampler', inputs: { ...graph[5]?.inputs, steps: 0, cfg: undefined, latent_image: ['1', 0] } },
  };
  const [code, ...errors] = await refusal(await run(api, wrong));
  expect(code).toBe('validation_failed');
  expect(new Map(errors.map(({ pointer, detail }) => [pointer, detail]))).toEqual(
    new Map([
      ['/graph/5/inputs/steps', 'is 0, and the least is 1'],
      ['/graph/5/inputs/cfg', 'is missing'],
      ['/graph/5/inputs/latent_image', 'is linked to a MODEL, and takes a LATENT'],
    ]),
  );
  const lacking = {
    ...graph,
    1: { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: 'none.safetensors' } },
    'odd/id': { class_type: 'NoSuchNode', inputs: {} },
  };
  const [lack, ...lacks] = await refusal(await run(api, lacking));
  expect([lack, lacks.map(({ pointer }) => pointer).sort()]).toEqual([
    'no_able_instance',
    ['/graph/1/inputs/ckpt_name', '/graph/odd~1id/class_type'],
  ]);
});

it('needs the scope graphs, also in a batch', async () => {
  const api = await open({ scopes: ['jobs'] });
  expect((await problemOf(await run(api, drawing()))).code).toBe('forbidden');
  const batch = await api.post('/jobs/batch', { jobs: [{ kind: 'graph', graph: drawing() }] }, as('anna'));
  const [code, error] = await refusal(batch);
  expect([code, error?.pointer]).toEqual(['forbidden', '/jobs/0']);
});

it('lets a key run, see and list only its workflows', async () => {
  const api = await open({ workflows: ['draw*'] });
  await publish(api, 'drawing', drawing());
  await publish(api, 'inverting', inverting());
  expect((await api.post('/workflows/drawing', {}, as('anna'))).status).toBe(202);
  const refused = [
    await api.post('/workflows/inverting', {}, as('anna')),
    await api.get('/workflows/inverting', as('anna')),
    await api.post('/generate', { prompt: 'x' }, as('anna')),
    await api.post('/jobs/batch', { jobs: [{ prompt: 'x' }] }, as('anna')),
  ];
  expect(refused.map(({ status }) => status)).toEqual([403, 403, 403, 403]);
  const { data } = (await (await api.get('/workflows', as('anna'))).json()) as { data: { name: string }[] };
  expect(data.map(({ name }) => name)).toEqual(['drawing']);
});

it('accepts a graph whose output node neither saves nor shows anything, and refuses one without an output node', async () => {
  const api = await startApi(inject('redisUrl'));
  onTestFinished(() => api.close());
  const described = (name: string, output_node: boolean): [string, string] => {
    const input = { required: { url: ['STRING', {}] } };
    return [name, JSON.stringify({ input, output: [], name, output_node })];
  };
  const classes = [described('CallWebhook', true), described('Note', false)];
  const about = { instance: 'gpu-1/1', seenAt: Date.now(), digest: 'ab'.repeat(32), replacements: {} };
  await api.worker.abilities.publish(['default'], { ...about, classes });
  const graph = (class_type: string) => ({ graph: { 1: { class_type, inputs: { url: 'https://example.com' } } } });
  expect((await api.post('/graphs', graph('CallWebhook'))).status).toBe(202);
  expect((await problemOf(await api.post('/graphs', graph('Note')))).detail).toContain('has no output node');
});

it('queues the parsing of large bodies by key, so that no key waits for another', async () => {
  const api = await startApi(inject('redisUrl'), { keys: [aKey('anna'), aKey('bert')] });
  onTestFinished(() => api.close());
  const bodies = [20_000, 300_000].map((length) => `{"image":"${'A'.repeat(length)}`);
  const answered: string[] = [];
  const send = async (key: string) => {
    const sent = bodies.map(async (body) => {
      const headers = { 'Content-Type': 'application/json', ...as(key).headers };
      const { status } = await fetch(`${api.url}/generate`, { method: 'POST', body, headers });
      answered.push(`${key} ${status}`);
    });
    await Promise.all(sent);
  };
  let end = () => {};
  const computing = api.deps.computing('anna', () => new Promise<void>((resolve) => (end = resolve)));
  const annas = send('anna');
  await send('bert');
  expect(answered).toEqual(['bert 400', 'bert 400']);
  end();
  await Promise.all([computing, annas]);
  expect(answered.slice(2)).toEqual(['anna 400', 'anna 400']);
});

it('checks one graph of a key at a time, through whichever API it came, so that no key waits for another', async () => {
  const scopes: ApiKey['scopes'] = ['jobs', 'graphs'];
  const api = await startApi(inject('redisUrl'), { keys: [aKey('anna', { scopes }), aKey('bert', { scopes })] });
  onTestFinished(() => api.close());
  await publishRealCatalogue(api);
  const graph = {
    1: { class_type: 'EmptyImage', inputs: { width: 64, height: 64, batch_size: 1, color: 0 } },
    2: { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: 'x' } },
  };
  const ways: readonly [path: string, body?: object][] = [
    ['/graphs', { graph }],
    ['/jobs/batch', { jobs: [{ kind: 'graph', graph }] }],
    ['/comfyui/prompt', { prompt: graph }],
    ['/api/v2/jobs', { workflow: graph }],
    ['/comfyui/object_info'],
  ];
  const send = async (key: string, [path, body]: (typeof ways)[number]) => {
    const answer = await (body === undefined ? api.get(path, as(key)) : api.post(path, body, as(key)));
    await answer.text();
    return [path, answer.ok];
  };
  const allTaken = ways.map(([path]) => [path, true]);
  let end = () => {};
  const judging = api.deps.computing('anna', () => new Promise<void>((resolve) => (end = resolve)));
  const answered: unknown[] = [];
  const annas = ways.map((way) => send('anna', way).finally(() => answered.push(way)));
  const berts: unknown[] = [];
  for (const way of ways) berts.push(await send('bert', way));
  expect([berts, answered]).toEqual([allTaken, []]);
  end();
  await judging;
  expect(await Promise.all(annas)).toEqual(allTaken);
});
