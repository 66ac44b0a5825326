import { expect, inject, it, onTestFinished } from 'vitest';
import { aKey, startApi } from '../api.js';
import { finishedImage } from '../finished-image.js';
import { drawing, publishRealCatalogue } from '../runnable.js';
import { begun, clientOf } from './comfyui-api.js';
import { listenAt } from './comfyui-listening.js';

interface MessageData {
  readonly prompt_id?: string;
  readonly node?: string | null;
  readonly status?: { readonly exec_info: { readonly queue_remaining: number } };
}

async function setUp() {
  const keys = [aKey('anna', { scopes: ['jobs', 'graphs'], in_order: true })];
  const api = await startApi(inject('redisUrl'), { keys });
  onTestFinished(() => api.close());
  await publishRealCatalogue(api);
  const anna = clientOf(api, 'anna');
  const send = async () => (await anna.prompt(drawing(), { client_id: 'bot' })).prompt_id;
  const ids = [await send(), await send(), await send()] as const;
  const claims = [await begun(api), await begun(api), await begun(api)];
  const finish = async (id: string) =>
    claims
      .find(({ record }) => record.id === id)
      ?.finish({ status: 'succeeded', outputs: [{ ...finishedImage(id, 1), nodeId: '7' }] });
  return { api, anna, ids, finish };
}

it('shows the end of a prompt only after the ends of all prompts that the client sent before it', async () => {
  const { anna, ids, finish } = await setUp();
  const [first, second, third] = ids;
  const pending = async () => {
    const { queue_running, queue_pending } = await anna.get('/queue');
    return [queue_running, queue_pending].map((entries) =>
      (entries as unknown as [number, string][]).map(([, id]) => id),
    );
  };
  await finish(third);
  await finish(second);
  expect(await pending()).toEqual([[first], [second, third]]);
  expect(await anna.get('/prompt')).toEqual({ exec_info: { queue_remaining: 3 } });
  expect([await anna.get('/history'), await anna.get(`/history/${third}`)]).toEqual([{}, {}]);
  expect(await anna.get(`/api/jobs/${third}`)).toMatchObject({ status: 'pending', outputs_count: 0 });
  expect(await anna.get('/api/jobs?status=completed')).toMatchObject({ jobs: [] });
  await finish(first);
  expect(await pending()).toEqual([[], []]);
  expect(Object.keys(await anna.get('/history'))).toEqual(ids);
  expect(await anna.get(`/api/jobs/${third}`)).toMatchObject({ status: 'completed', outputs_count: 1 });
});

it("shows the real status in the fleet's own API, whose clients expect no order", async () => {
  const { api, ids, finish } = await setUp();
  await finish(ids[1]);
  const answer = await api.get(`/jobs/${ids[1]}`, { headers: { Authorization: 'Bearer anna' } });
  expect(await answer.json()).toMatchObject({ status: 'succeeded' });
});

it('reports prompts on the socket one after the other, in the order in which they were sent, whichever ends first', async () => {
  const { api, anna, ids, finish } = await setUp();
  const before = await listenAt(api, { key: 'anna', clientId: 'bot' });
  await before.until('execution_start', { prompt_id: ids[0] });
  await finish(ids[2]);
  await finish(ids[1]);
  const after = await listenAt(api, { key: 'anna', clientId: 'bot' });
  await after.until('execution_start', { prompt_id: ids[0] });
  await finish(ids[0]);
  for (const { heard, until } of [before, after]) {
    await until('executing', { node: null, prompt_id: ids[2] });
    await until('status', { status: { exec_info: { queue_remaining: 0 } } });
    const data = heard.flatMap((one) => ('data' in one ? [{ type: one.type, ...(one.data as MessageData) }] : []));
    const counts = data.flatMap(({ status }) => (status === undefined ? [] : [status.exec_info.queue_remaining]));
    expect([counts[0], counts.at(-1)]).toEqual([3, 0]);
    const shown = data.flatMap(({ type, node, prompt_id }) => {
      const isEnd = type === 'execution_success' || (type === 'executing' && node === null);
      return isEnd || type === 'execution_start' ? [`${type} ${ids.indexOf(`${prompt_id}`)}`] : [];
    });
    expect(shown).toEqual(
      [0, 1, 2].flatMap((n) => [`execution_start ${n}`, `execution_success ${n}`, `executing ${n}`]),
    );
  }
  expect(Object.keys(await anna.get('/history'))).toEqual(ids);
});

it('reports the next prompt when an earlier one is canceled while it waits', async () => {
  const { api, anna } = await setUp();
  const send = async () => (await anna.prompt(drawing(), { client_id: 'other' })).prompt_id;
  const [first, second] = [await send(), await send()];
  const tab = await listenAt(api, { key: 'anna', clientId: 'other' });
  await anna.post('/queue', { delete: [second] });
  expect(await anna.get(`/history/${second}`)).toEqual({});
  await anna.post('/queue', { delete: [first] });
  await tab.until('executing', { node: null, prompt_id: second });
  expect(tab.story()).toEqual(['execution_interrupted', 'executing', 'execution_interrupted', 'executing']);
  expect(Object.keys(await anna.get('/history'))).toEqual([first, second]);
});
