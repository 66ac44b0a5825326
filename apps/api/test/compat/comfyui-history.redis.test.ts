import { newId } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { finishedImage, finishJob } from '../finished-image.js';
import { drawing } from '../runnable.js';
import { begun, clientOf, openComfyui } from './comfyui-api.js';

const PROMPT = 'c0ffee00-1234-4abc-8def-0123456789ab';

describe('a prompt', () => {
  it('is in the queue until it ends, and then in the history with its files, under the prompt id that the caller chose', async () => {
    const { api, anna } = await openComfyui();
    const { number } = await anna.prompt(drawing(), { prompt_id: PROMPT, client_id: 'c1' });
    expect(await anna.get('/prompt')).toEqual({ exec_info: { queue_remaining: 1 } });
    expect([await anna.get(`/history/${PROMPT}`), await anna.get('/history')]).toEqual([{}, {}]);
    const claim = await begun(api);
    const { id } = claim.record;
    const outputs = [finishedImage(id)];
    await api.frames.put(`${id}_1.png`, [Buffer.from('a picture')], { signal: AbortSignal.timeout(60_000) });
    expect(await anna.get('/queue')).toMatchObject({
      queue_running: [[number, PROMPT, drawing(), {}, ['7', '9']]],
      queue_pending: [],
    });
    await claim.finish({ status: 'succeeded', outputs });
    expect(await anna.get('/queue')).toEqual({ queue_running: [], queue_pending: [] });
    const history = await anna.get(`/history/${PROMPT}`);
    const file = `${id}_1.png`;
    expect(history).toEqual({
      [PROMPT]: {
        prompt: [number, PROMPT, drawing(), { client_id: 'c1', create_time: claim.record.createdAt }, ['7', '9']],
        outputs: { 7: { images: [{ filename: file, subfolder: '', type: 'output' }] } },
        status: {
          status_str: 'success',
          completed: true,
          messages: [
            ['execution_start', { prompt_id: PROMPT, timestamp: expect.any(Number) }],
            ['execution_cached', { nodes: [], prompt_id: PROMPT, timestamp: expect.any(Number) }],
            ['execution_success', { prompt_id: PROMPT, timestamp: expect.any(Number) }],
          ],
        },
        meta: { 7: { node_id: '7', display_node: '7', parent_node: null, real_node_id: '7' } },
      },
    });
    expect(await anna.get('/history')).toEqual(history);
    const picture = await fetch(`${anna.base}/view?filename=${file}&subfolder=&type=output`);
    expect([picture.status, picture.headers.get('content-type')]).toEqual([200, 'image/png']);
  });

  it('that failed has the exception and the node in the history, as in ComfyUI', async () => {
    const { api, anna } = await openComfyui();
    await anna.prompt(drawing(), { prompt_id: PROMPT });
    const claim = await begun(api);
    const exception = { type: 'ValueError', message: 'too dark\n', nodeClass: 'KSampler', traceback: ['line 1\n'] };
    const error = { code: 'node_execution_error', detail: 'It failed.', nodeId: '5', exception } as const;
    await claim.finish({ status: 'failed', error });
    const { [PROMPT]: entry } = await anna.get(`/history/${PROMPT}`);
    const fields = {
      node_id: '5',
      node_type: 'KSampler',
      exception_type: 'ValueError',
      exception_message: 'too dark\n',
      traceback: ['line 1\n'],
    };
    expect(entry).toMatchObject({ outputs: {}, status: { status_str: 'error', completed: false } });
    const { messages } = (entry as unknown as { status: { messages: [string, object][] } }).status;
    expect(messages.at(-1)).toEqual(['execution_error', expect.objectContaining({ ...fields, prompt_id: PROMPT })]);
    expect(await anna.get(`/api/jobs/${PROMPT}`)).toMatchObject({ status: 'failed', execution_error: fields });
  });
});

describe('the history', () => {
  it('lists the newest prompts in order of their ends, or a page from an offset, and hides deleted ones', async () => {
    const { api, anna } = await openComfyui({}, { compat: { comfyuiMaxHistory: 3 } });
    const ids: string[] = [];
    for (let n = 0; n < 4; n += 1) {
      const { prompt_id } = await anna.prompt(drawing());
      await finishJob(api, prompt_id);
      ids.push(prompt_id);
    }
    const listed = async (query: string) => Object.keys(await anna.get(`/history${query}`));
    expect(await listed('')).toEqual(ids.slice(1));
    expect(await listed('?max_items=2')).toEqual(ids.slice(2));
    expect(await listed('?max_items=2&offset=1')).toEqual(ids.slice(1, 3));
    expect(await listed('?offset=9')).toEqual([]);
    expect(await listed('?max_items=0')).toEqual([]);
    expect((await fetch(`${anna.base}/history?max_items=x`)).status).toBe(400);
    await anna.post('/history', { delete: [ids[3], 'unknown', PROMPT] });
    expect(await listed('')).toEqual(ids.slice(0, 3));
    expect(await anna.get(`/history/${ids[3]}`)).toEqual({});
    await anna.post('/history', { clear: true });
    expect(await listed('')).toEqual([]);
    expect(await anna.get(`/history/${ids[0]}`)).toEqual({});
    const kept = await api.get(`/jobs/${ids[0]}`, { headers: { Authorization: 'Bearer anna' } });
    expect(await kept.json()).toMatchObject({ status: 'succeeded' });
  });
});

it('runs a prompt again with the id of one that was deleted from the history, as ComfyUI does', async () => {
  const { api, anna } = await openComfyui();
  await anna.prompt(drawing(), { prompt_id: PROMPT });
  const { record } = (await api.ledger.jobs.byAlias('anna', PROMPT)) ?? {};
  await finishJob(api, record?.id ?? '');
  await anna.post('/history', { delete: [PROMPT] });
  expect((await anna.prompt(drawing(), { prompt_id: PROMPT })).prompt_id).toBe(PROMPT);
  expect(await anna.get('/prompt')).toEqual({ exec_info: { queue_remaining: 1 } });
  const next = (await api.ledger.jobs.byAlias('anna', PROMPT))?.record.id ?? '';
  await finishJob(api, next);
  expect(Object.keys(await anna.get(`/history/${PROMPT}`))).toEqual([PROMPT]);
});

it('answers a client that reads the queue 200 times simultaneously', async () => {
  const { anna } = await openComfyui();
  const { prompt_id } = await anna.prompt(drawing());
  const answers = await Promise.all(Array.from({ length: 200 }, () => anna.get('/queue')));
  for (const { queue_pending } of answers) expect(queue_pending).toMatchObject([{ 1: prompt_id }]);
});

describe('POST /queue and /interrupt', () => {
  it('cancel waiting prompts by id and running prompts by id or client', async () => {
    const { api, anna } = await openComfyui();
    const send = async (client_id: string) => (await anna.prompt(drawing(), { client_id })).prompt_id;
    const [first, second, third] = [await send('a'), await send('a'), await send('b')];
    const claims = [await begun(api), await begun(api), await begun(api)];
    const statuses = async () => {
      const all = await Promise.all(claims.map(({ record }) => api.ledger.jobs.get(record.id)));
      return Object.fromEntries(all.map((snapshot) => [snapshot?.record.id, snapshot?.record.status]));
    };
    await anna.post('/interrupt', { prompt_id: newId() });
    await anna.post('/interrupt?clientId=c');
    expect(await statuses()).toEqual({ [first]: 'running', [second]: 'running', [third]: 'running' });
    await anna.post('/interrupt?clientId=a', undefined, { 'Content-Type': 'text/plain' });
    const oldest = claims.find(({ record }) => record.client === 'a')?.record.id as string;
    expect((await statuses())[oldest]).toBe('canceling');
    await anna.post('/interrupt', { prompt_id: third });
    expect((await statuses())[third]).toBe('canceling');
    const waiting = [await send('a'), await send('a'), await send('a')];
    await anna.post('/queue', { delete: [waiting[1], first, PROMPT] });
    const queued = async () =>
      ((await anna.get('/queue')).queue_pending as unknown as [number, string][]).map(([, id]) => id);
    const stillRunning = claims.slice(1).map(({ record }) => record.alias ?? record.id);
    expect(await queued()).toEqual([...stillRunning, waiting[0], waiting[2]]);
    expect(Object.values(await statuses()).filter((status) => status === 'running')).toHaveLength(1);
    await anna.post('/queue', { clear: true });
    expect(await queued()).toEqual(stillRunning);
    // A prompt that never ran still gets an end, because clients poll for it.
    expect(await anna.get(`/history/${waiting[0]}`)).toMatchObject({
      [waiting[0] as string]: { status: { status_str: 'error' } },
    });
  });

  it('treat only the job that began first as running, and other running jobs as pending', async () => {
    const { api, anna } = await openComfyui();
    for (let n = 0; n < 4; n += 1) await anna.prompt(drawing());
    const [first, second, third] = [await begun(api), await begun(api), await begun(api)].map(
      ({ record }) => record.id,
    );
    const listed = async () => {
      const { queue_running, queue_pending } = await anna.get('/queue');
      return [queue_running, queue_pending].map((entries) =>
        (entries as unknown as [number, string][]).map(([, id]) => id),
      );
    };
    const [running, [secondListed, thirdListed, waiting] = []] = await listed();
    expect([running, [secondListed, thirdListed]]).toEqual([[first], [second, third]]);
    await anna.post('/queue', { delete: [first, third] });
    const statusOf = async (id = '') => (await api.ledger.jobs.get(id))?.record.status;
    expect([await statusOf(first), await statusOf(second), await statusOf(third)]).toEqual([
      ...['running', 'running', 'canceling'],
    ]);
    await anna.post('/queue', { clear: true });
    expect([await statusOf(first), await statusOf(second), await statusOf(waiting)]).toEqual([
      ...['running', 'canceling', 'canceled'],
    ]);
  });

  it('accept any JSON body, or none', async () => {
    const { anna } = await openComfyui();
    for (const path of ['/queue', '/interrupt', '/free', '/history']) {
      for (const body of ['', '{}', '[]', 'null', '{"delete":null}']) {
        const answer = await fetch(anna.base + path, { method: 'POST', body });
        expect([path, body, answer.status, await answer.text()]).toEqual([path, body, 200, '']);
      }
      const answer = await fetch(anna.base + path, { method: 'POST', body: '{' });
      const isRead = path !== '/free';
      expect([path, answer.status]).toEqual([path, isRead ? 400 : 200]);
    }
  });
});

describe('GET /api/jobs', () => {
  it('leaves out a workflow id that is longer than those of the editor, which every list would repeat', async () => {
    const { anna } = await openComfyui();
    const of = (id: string) => ({ extra_data: { extra_pnginfo: { workflow: { id } } } });
    await anna.prompt(drawing(), of('w'.repeat(129)));
    const short = await anna.prompt(drawing(), of('w'.repeat(128)));
    const { jobs } = await anna.get('/api/jobs?sort_order=asc');
    expect(jobs).toMatchObject([{ status: 'pending' }, { id: short.prompt_id, workflow_id: 'w'.repeat(128) }]);
    expect((jobs as unknown as object[])[0]).not.toHaveProperty('workflow_id');
  });

  it('reads nothing of what was sent with each prompt, which may have megabytes', async () => {
    const { api, anna } = await openComfyui();
    await anna.prompt(drawing(), { number: 7, extra_data: { extra_pnginfo: { workflow: { id: 'w1' } } } });
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    // All turns of the key for that are taken.
    const reads = Array.from({ length: 4 }, () => api.deps.graphReads('anna', () => ended));
    expect((await anna.get('/api/jobs')).jobs).toMatchObject([{ priority: 7, workflow_id: 'w1' }]);
    end();
    await Promise.all(reads);
  });

  it('ends a page early when it is long enough, and says that there is more', async () => {
    const { api, anna } = await openComfyui();
    // Only one of them fits.
    const traceback = ['x'.repeat(5 * 1024 ** 2)];
    for (let at = 0; at < 2; at++) {
      await anna.prompt(drawing());
      const claim = await begun(api);
      const exception = { type: 'ValueError', message: 'too dark', nodeClass: 'KSampler', traceback };
      await claim.finish({
        status: 'failed',
        error: { code: 'node_execution_error', detail: 'It failed.', nodeId: '5', exception },
      });
    }
    const first = await anna.get('/api/jobs');
    expect([first.jobs, first.pagination]).toMatchObject([{ length: 1 }, { total: 2, has_more: true }]);
    const rest = await anna.get('/api/jobs?offset=1');
    expect([rest.jobs, rest.pagination]).toMatchObject([{ length: 1 }, { total: 2, has_more: false }]);
  });

  it('lists open and ended jobs together, filtered, sorted and in pages', async () => {
    const { api, anna } = await openComfyui();
    const workflow = { extra_data: { extra_pnginfo: { workflow: { id: 'w1' } } } };
    const done = await anna.prompt(drawing(), workflow);
    await finishJob(api, done.prompt_id);
    const waiting = await anna.prompt(drawing(), { front: true });
    const { jobs, pagination } = await anna.get('/api/jobs');
    expect(jobs).toMatchObject([
      { id: waiting.prompt_id, status: 'pending', priority: waiting.number, outputs_count: 0 },
      {
        id: done.prompt_id,
        status: 'completed',
        outputs_count: 1,
        workflow_id: 'w1',
        preview_output: { filename: `${done.prompt_id}_1.png`, type: 'output', nodeId: '7', mediaType: 'images' },
      },
    ]);
    expect(pagination).toEqual({ offset: 0, limit: null, total: 2, has_more: false });
    const ids = async (query: string) =>
      ((await anna.get(`/api/jobs?${query}`)).jobs as unknown as { id: string }[]).map(({ id }) => id);
    expect(await ids('status=pending,in_progress')).toEqual([waiting.prompt_id]);
    expect(await ids('workflow_id=w1')).toEqual([done.prompt_id]);
    expect(await ids('sort_order=asc&limit=1')).toEqual([done.prompt_id]);
    expect(await ids('offset=1')).toEqual([done.prompt_id]);
    expect((await fetch(`${anna.base}/api/jobs?limit=0`)).status).toBe(400);
    expect(await anna.get(`/api/jobs/${done.prompt_id}`)).toMatchObject({
      outputs: { 7: {} },
      execution_status: { status_str: 'success' },
      workflow: { prompt: drawing(), extra_data: workflow.extra_data },
    });
    expect((await fetch(`${anna.base}/api/jobs/${PROMPT}`)).status).toBe(404);
    const cancel = async (id: string) => (await anna.post(`/api/jobs/${id}/cancel`)).json();
    expect([await cancel(waiting.prompt_id), await cancel(waiting.prompt_id), await cancel('x')]).toEqual([
      { cancelled: true },
      { cancelled: false },
      { cancelled: false },
    ]);
    const another = await anna.prompt(drawing());
    const batch = await anna.post('/api/jobs/cancel', { job_ids: [done.prompt_id, another.prompt_id] });
    expect(await batch.json()).toEqual({ cancelled: true });
    expect((await anna.post('/api/jobs/cancel', { job_ids: ['x'] })).status).toBe(400);
  });
});

it.each([
  ['/history', { delete: [PROMPT] }],
  ['/history', { clear: true }],
  ['/queue', { delete: [PROMPT] }],
  ['/jobs/cancel', { job_ids: [PROMPT] }],
])(
  'POST %s %o waits for the turn of its key, and answers 429 when too many reads of the key wait',
  async (path, body) => {
    const { api, anna, bert } = await openComfyui();
    const { heavyReads } = api.deps;
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    // The maximum that may run and wait, and one more, which is refused.
    const reads = Promise.allSettled(Array.from({ length: 53 }, () => heavyReads('anna', () => ended)));
    expect([(await anna.post(path, body)).status, (await bert.post(path, body)).status]).toEqual([429, 200]);
    end();
    expect((await reads).map(({ status }) => status)).toContain('rejected');
    expect((await anna.post(path, body)).status).toBe(200);
  },
);

it.each(['comfyui/history/', 'comfyui/api/jobs/', 'api/v2/jobs/$/workflow'])(
  'GET /%s reads the graph in the turn of its key, and answers 429 when too much work of the key waits',
  async (path) => {
    const { api, anna, bert } = await openComfyui();
    const read = async (key: string, id: string) => {
      const target = path.includes('$') ? path.replace('$', id) : path + id;
      return (await fetch(`${api.url}/${target}`, { headers: { authorization: `Bearer ${key}` } })).status;
    };
    const [first, other] = [await anna.prompt(drawing()), await bert.prompt(drawing())];
    await finishJob(api, first.prompt_id);
    await finishJob(api, other.prompt_id);
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    // One that runs, and as many as may wait.
    const work = Array.from({ length: 501 }, () => api.deps.computing('anna', () => ended));
    expect([await read('anna', first.prompt_id), await read('bert', other.prompt_id)]).toEqual([429, 200]);
    end();
    await Promise.all(work);
    expect(await read('anna', first.prompt_id)).toBe(200);
  },
);

it('keeps two keys apart even if they use the same prompt id and client id', async () => {
  const { api, anna, bert } = await openComfyui();
  const ids = { prompt_id: PROMPT, client_id: 'same' };
  await anna.prompt(drawing(), ids);
  const running = await begun(api);
  await bert.post('/interrupt', { prompt_id: PROMPT });
  await bert.post('/interrupt', { client_id: 'same' });
  await bert.post('/interrupt');
  await bert.post('/queue', { clear: true, delete: [PROMPT] });
  expect(await (await bert.post(`/api/jobs/${PROMPT}/cancel`)).json()).toEqual({ cancelled: false });
  expect((await api.ledger.jobs.get(running.record.id))?.record.status).toBe('running');
  expect(await bert.get('/queue')).toEqual({ queue_running: [], queue_pending: [] });
  expect(await bert.get('/prompt')).toEqual({ exec_info: { queue_remaining: 0 } });
  await running.finish({ status: 'succeeded', outputs: [] });
  await bert.post('/history', { clear: true, delete: [PROMPT] });
  expect(await bert.get('/history')).toEqual({});
  expect(await bert.get(`/history/${PROMPT}`)).toEqual({});
  expect(await bert.get('/api/jobs')).toMatchObject({ jobs: [] });
  expect(Object.keys(await anna.get('/history'))).toEqual([PROMPT]);
  // Jobs of the same key from the fleet's own API are not listed either.
  await api.post('/graphs', { graph: drawing() }, { headers: { Authorization: 'Bearer anna' } });
  expect(await anna.get('/queue')).toEqual({ queue_running: [], queue_pending: [] });
  expect((await fetch(`${clientOf(api, 'nobody').base}/history`)).status).toBe(401);
});
