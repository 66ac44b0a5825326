import { newId } from '@comfy-fleet/contracts';
import { expect, inject, it, onTestFinished } from 'vitest';
import { as, startApi, type TestApi } from '../../api.js';
import { finishJob } from '../../finished-image.js';
import { plain } from '../../pictures.js';
import { drawing, inverting, publishRealCatalogue } from '../../runnable.js';
import { JOBS, openV2, order, ordered, reference, refusal, uploaded, type V2Job } from './v2.js';

const PNG = await plain(64, 64, '#804020').png().toBuffer();
const loading = (image: unknown) => ({ ...inverting(), 1: { class_type: 'LoadImage', inputs: { image } } });
const get = (api: TestApi, path: string, key = 'anna') => api.get(path, as(key));

it('accepts a graph, and presents the job as the specification defines it', async () => {
  const api = await openV2({ env: { PUBLIC_URL: 'https://gpu.example/fleet' } });
  const answer = await order(api, drawing());
  const job = (await answer.json()) as V2Job;
  const self = `/fleet${JOBS}/${job.id}`;
  expect([answer.status, answer.headers.get('location')]).toEqual([201, self]);
  expect(job).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    status: 'queued',
    created_at: expect.any(String),
    started_at: null,
    completed_at: null,
    expires_at: expect.any(String),
    queue_position: 0,
    progress: null,
    outputs: [],
    error: null,
    metrics: { queue_ms: null, execution_ms: null },
    urls: { self, events: `${self}/events`, cancel: `${self}/cancel` },
  });
  await finishJob(api, job.id, 2);
  const ended = (await (await get(api, `${JOBS}/${job.id}`)).json()) as V2Job & { progress: object };
  expect(ended).toMatchObject({ status: 'succeeded', progress: { value: 1 } });
  expect(ended.outputs).toMatchObject([
    { node_id: '7', name: 'fox_00001_.png', type: 'image', content_type: 'image/png', hash: null, job_id: job.id },
    { name: 'fox_00002_.png' },
  ]);
  expect(ended.outputs[0]?.url).toMatch(/^https:\/\/gpu\.example\/fleet\/files\/.*signature=/);
});

it('presents outputs as assets, which cannot be deleted alone and can be inputs of other jobs', async () => {
  const api = await openV2();
  const { id } = await ordered(api, drawing());
  await finishJob(api, id, 2);
  const { outputs } = (await (await get(api, `${JOBS}/${id}`)).json()) as V2Job;
  expect(new Set(outputs.map((output) => output.id)).size).toBe(2);
  const second = `/api/v2/assets/${outputs[1]?.id}`;
  expect(await (await get(api, second)).json()).toMatchObject({ job_id: id, hash: null, file_path: 'fox_00002_.png' });
  const content = await get(api, `${second}/content`);
  expect([content.status, content.headers.get('content-type')]).toEqual([200, 'image/png']);
  const bytes = Buffer.from(await content.arrayBuffer());
  expect(bytes).toEqual(Buffer.from(await (await fetch(outputs[1]?.url ?? '')).arrayBuffer()));
  const removal = await api.get(second, { method: 'DELETE', ...as('anna') });
  expect((await refusal(removal)).slice(0, 2)).toEqual([409, 'asset_in_use']);
  expect((await get(api, second, 'bert')).status).toBe(404);
  expect((await refusal(await order(api, loading(reference(outputs[1]?.id ?? '')), {}, as('bert').headers)))[1]).toBe(
    'missing_asset',
  );

  expect((await order(api, loading(reference(outputs[1]?.id ?? '')))).status).toBe(201);
  expect((await order(api, loading(`${id}_2.png [output]`))).status).toBe(201);
  expect((await order(api, loading(`${id}_2.png [output]`), {}, as('bert').headers)).status).toBe(422);
});

it('accepts files by reference or by the name of an upload, and returns the graph as it was sent', async () => {
  const api = await openV2();
  const asset = await uploaded(api, 'sub/cat.png', PNG);
  const info = { hash: asset.hash, file_path: 'sub/cat.png' };
  const given = loading(reference(asset.id, info));
  const byReference = await ordered(api, given);
  const back = async (id: string) => (await get(api, `${JOBS}/${id}/workflow`)).json();
  expect(await back(byReference.id)).toEqual({ workflow: given, format: 'api' });
  const byName = await ordered(api, loading('sub/cat.png'));
  expect(await back(byName.id)).toEqual({ workflow: loading('sub/cat.png'), format: 'api' });
  const records = await Promise.all([byReference, byName].map(async ({ id }) => api.ledger.jobs.get(id)));
  const [first, second] = records.map((snapshot) => snapshot?.record.request.inputs.file_1);
  expect(first).toMatchObject({ kind: 'image' });
  expect(second).toEqual(first);
  expect((await get(api, `${JOBS}/${byName.id}/workflow`, 'bert')).status).toBe(404);
  // The newest file with a name counts, as if ComfyUI had overwritten the older one.
  const other = await plain(32, 32, '#804020').png().toBuffer();
  await uploaded(api, 'sub/cat.png', other);
  const { id } = await ordered(api, loading('sub/cat.png'));
  expect((await api.ledger.jobs.get(id))?.record.request.inputs.file_1).toMatchObject({ bytes: other.length });
});

it('shares its jobs with the other APIs of the key', async () => {
  const api = await openV2();
  await uploaded(api, 'cat.png', PNG);
  const { id } = await ordered(api, loading('cat.png'));
  const history = await get(api, '/comfyui/queue');
  expect(JSON.stringify(await history.json())).toContain(id);
  const prompt = await api.post('/comfyui/prompt', { prompt: loading('cat.png') }, as('anna'));
  const { prompt_id } = (await prompt.json()) as { prompt_id: string };
  expect(prompt.status).toBe(200);
  const { jobs } = await api.ledger.jobs.list('anna', { filter: {}, cursor: undefined, limit: 1 });
  expect([jobs[0]?.record.id, jobs[0]?.record.alias]).toContain(prompt_id);
  const sent = await get(api, `${JOBS}/${jobs[0]?.record.id}/workflow`);
  expect(await sent.json()).toEqual({ workflow: loading('cat.png'), format: 'api' });
});

it('returns the graph that runs for a job that was not created from a graph', async () => {
  const api = await openV2();
  const accepted = await api.post('/generate', { prompt: 'a fox', seed: '18446744073709551615' }, as('anna'));
  const { id } = (await accepted.json()) as V2Job;
  const text = await (await get(api, `${JOBS}/${id}/workflow`)).text();
  expect(text).toContain('"seed":18446744073709551615');
  expect(text).toContain('a fox');
});

it.each([
  ['an unknown id', reference(newId())],
  ['an id that is not a UUID', reference('asset_ghost')],
  ['no id', { __type: 'core/ASSET', info: { hash: `blake3:${'0'.repeat(64)}` } }],
  ['no info', { __type: 'core/ASSET' }],
  ['a list of references', [reference(newId())]],
])('refuses an invalid reference: %s', async (_what, image) => {
  const api = await openV2();
  expect((await refusal(await order(api, loading(image)))).slice(0, 2)).toEqual([422, 'missing_asset']);
});

it('refuses an asset or a file name of another key', async () => {
  const api = await openV2();
  const { id } = await uploaded(api, 'cat.png', PNG, 'bert');
  expect((await refusal(await order(api, loading(reference(id))))).slice(0, 2)).toEqual([422, 'missing_asset']);
  const [status, code, details] = await refusal(await order(api, loading('cat.png')));
  expect([status, code]).toEqual([422, 'invalid_workflow']);
  const errors = [{ type: 'custom_validation_failed', details: 'image - Invalid image file: cat.png' }];
  expect(details).toMatchObject({ node_errors: { 1: { class_type: 'LoadImage', errors } } });
});

it.each([
  ['the name of a file on an instance', loading('example.png')],
  ['a reference in our own form', loading(`asset:${newId()}`)],
  ['a URL', loading('https://example.com/a.png')],
  ['no outputs', { 1: inverting()[1] }],
  ['an unknown class', { ...drawing(), 12: { class_type: 'Nowhere', inputs: {} } }],
  [
    'a link to nothing',
    { ...drawing(), 12: { class_type: 'SaveImage', inputs: { images: ['98', 0], filename_prefix: 'x' } } },
  ],
  [
    'a number out of bounds',
    { ...drawing(), 4: { class_type: 'EmptyLatentImage', inputs: { width: 1, height: 512, batch_size: 1 } } },
  ],
  [
    'an unknown model',
    { ...drawing(), 1: { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: 'no.safetensors' } } },
  ],
  ['an invalid node', { 1: 'x' }],
  ['no nodes', {}],
  ['a list', []],
  ['nothing', undefined],
])('refuses a graph with %s', async (_what, graph) => {
  const api = await openV2();
  expect((await refusal(await order(api, graph))).slice(0, 2)).toEqual([422, 'invalid_workflow']);
});

it('ignores nodes that no output needs, as ComfyUI does, and includes preview outputs', async () => {
  const api = await openV2();
  const unused = { class_type: 'LoadImage', inputs: { image: 'example.png' } };
  const shown = { class_type: 'PreviewImage', inputs: { images: ['6', 0] } };
  const { id } = await ordered(api, { ...drawing(), unused, shown });
  const snapshot = await api.ledger.jobs.get(id);
  expect(snapshot?.record.request.outputs).toHaveLength(3);
});

it('reports errors of nodes as ComfyUI does', async () => {
  const api = await openV2();
  const lacking = { ...drawing(), 5: { class_type: 'KSampler', inputs: { steps: 4 } } };
  const [, , details] = await refusal(await order(api, lacking));
  const { node_errors } = details as { node_errors: Record<string, { errors: { type: string }[] }> };
  expect(node_errors[5]?.errors.map(({ type }) => type)).toContain('required_input_missing');
});

it('refuses the format of the editor, reserved fields, and invalid extra_data', async () => {
  const api = await openV2();
  const ui = await order(api, { nodes: [], links: [], last_node_id: 1 });
  expect((await refusal(ui)).slice(0, 2)).toEqual([422, 'workflow_format_ui']);
  for (const reserved of [{ webhook_url: 'https://example.com' }, { inputs: {} }]) {
    expect((await refusal(await order(api, drawing(), reserved))).slice(0, 2)).toEqual([422, 'invalid_workflow']);
  }
  for (const extra_data of [{ extra_pnginfo: {} }, { api_key_comfy_org: 1 }, 'x', []]) {
    expect((await refusal(await order(api, drawing(), { extra_data }))).slice(0, 2)).toEqual([400, 'invalid_request']);
  }
  const broken = await api.get(JOBS, {
    method: 'POST',
    body: '{',
    headers: { ...as('anna').headers, 'Content-Type': 'application/json' },
  });
  expect((await refusal(broken)).slice(0, 2)).toEqual([400, 'invalid_request']);
});

it('passes the key of comfy.org to the worker, and never shows or logs it', async () => {
  const api = await openV2();
  const secret = 'comfyui-secret-of-anna';
  const answer = await order(api, drawing(), { extra_data: { api_key_comfy_org: secret } });
  const { id } = (await answer.json()) as V2Job;
  expect((await api.claim()).record).toMatchObject({ id, comfyKey: secret });
  const texts = await Promise.all(
    [`${JOBS}/${id}`, `${JOBS}/${id}/workflow`, `/jobs/${id}`].map(async (path) => (await get(api, path)).text()),
  );
  expect([...texts, JSON.stringify(api.logged)].filter((text) => text.includes(secret))).toEqual([]);
});

it('needs the scope graphs to create jobs, and only the scope jobs to read them', async () => {
  const api = await openV2({ anna: { scopes: ['jobs'] } });
  expect((await refusal(await order(api, drawing()))).slice(0, 2)).toEqual([403, 'forbidden']);
  expect((await refusal(await get(api, `${JOBS}/${newId()}`))).slice(0, 2)).toEqual([404, 'not_found']);
  expect((await refusal(await api.post(JOBS, { workflow: drawing() }))).slice(0, 2)).toEqual([401, 'unauthorized']);
});

it('refuses node classes that the key is denied', async () => {
  const api = await openV2({ anna: { deny_nodes: ['KSampler*'] } });
  expect((await refusal(await order(api, drawing()))).slice(0, 2)).toEqual([422, 'invalid_workflow']);
});

it('accepts an Idempotency-Key once, whatever the body, but again after a refusal', async () => {
  const api = await openV2({ anna: { limits: { jobs_waiting: 1 } } });
  const first = { 'Idempotency-Key': newId() };
  expect((await order(api, { 1: {} }, {}, first)).status).toBe(422);
  const { id } = (await (await order(api, drawing(), {}, first)).json()) as V2Job;
  for (const graph of [drawing(), inverting()]) {
    expect((await refusal(await order(api, graph, {}, first))).slice(0, 2)).toEqual([422, 'idempotency_key_reuse']);
  }
  const second = { 'Idempotency-Key': newId() };
  const full = await order(api, drawing(), {}, second);
  expect(Number(full.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await refusal(full)).slice(0, 2)).toEqual([429, 'queue_full']);
  await api.get(`${JOBS}/${id}/cancel`, { method: 'POST', ...as('anna') });
  expect((await order(api, drawing(), {}, second)).status).toBe(201);
  expect((await order(api, drawing(), {}, { ...first, ...as('bert').headers })).status).toBe(201);
});

it('creates one job for simultaneous requests with the same Idempotency-Key', async () => {
  const api = await openV2();
  const headers = { 'Idempotency-Key': newId() };
  const answers = await Promise.all(Array.from({ length: 8 }, () => order(api, drawing(), {}, headers)));
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 422, 422, 422, 422, 422, 422, 422]);
});

it('can cancel a job repeatedly, but not a job of another key', async () => {
  const api = await openV2();
  const { id, urls } = await ordered(api, drawing());
  const cancel = (key: string) => api.get(urls.cancel, { method: 'POST', ...as(key) });
  expect((await refusal(await cancel('bert'))).slice(0, 2)).toEqual([404, 'not_found']);
  for (let n = 0; n < 2; n++) {
    const answer = await cancel('anna');
    expect([answer.status, await answer.json()]).toMatchObject([200, { id, status: 'canceled' }]);
  }
  const ghost = await api.get(`${JOBS}/job_ghost/cancel`, { method: 'POST', ...as('anna') });
  expect((await refusal(ghost)).slice(0, 2)).toEqual([404, 'not_found']);
});

it('needs neither keys nor signed URLs when no keys are configured', async () => {
  const api = await startApi(inject('redisUrl'));
  onTestFinished(() => api.close());
  await publishRealCatalogue(api);
  const answer = await api.post(JOBS, { workflow: drawing() });
  const { id } = (await answer.json()) as V2Job;
  expect(answer.status).toBe(201);
  await finishJob(api, id);
  const { outputs } = (await (await api.get(`${JOBS}/${id}`)).json()) as V2Job;
  expect(outputs[0]).toMatchObject({ url: `${api.url}/files/${id}_1.png`, url_expires_at: expect.any(String) });
  expect((await api.get(`/api/v2/assets/${outputs[0]?.id}/content`)).status).toBe(200);
});

it('answers 404 if COMPATIBLE_APIS lacks comfy-v2', async () => {
  const api = await openV2({ env: { COMPATIBLE_APIS: 'comfyui' } });
  const answer = await get(api, `${JOBS}/${newId()}`);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([404, 'application/problem+json']);
});
