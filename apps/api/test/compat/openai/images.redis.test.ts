import { once } from 'node:events';
import { connect } from 'node:net';
import type { Job, JobList } from '@comfy-fleet/contracts';
import type { Claim } from '@comfy-fleet/jobs';
import { until } from '@comfy-fleet/testing';
import sharp from 'sharp';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { aKey, as, startApi, type TestApi } from '../../api.js';
import { readEvents } from '../../event-stream.js';
import { finishedImage, finishJob } from '../../finished-image.js';

interface Body {
  readonly data: { readonly id: string; readonly b64_json: string; readonly url: string }[];
  readonly output_format: string;
  readonly object: string;
  readonly error: { readonly code: string | null; readonly param: string | null };
  readonly code: string;
}

const read = async (answer: Response) => (await answer.json()) as Body;

let api: TestApi;
afterEach(() => api.close());

/** Stored pictures are sent without being decoded, so this need not be a real one. */
const PNG = Buffer.from('no picture');
const KEYS = [aKey('anna'), aKey('ben')];

async function begin(options: Parameters<typeof startApi>[1] = {}): Promise<void> {
  api = await startApi(inject('redisUrl'), { keys: KEYS, ...options });
}

function generate(
  fields: object = {},
  { key = 'anna', ...init }: RequestInit & { key?: string } = {},
): Promise<Response> {
  const headers = { ...as(key).headers, ...(init.headers as Record<string, string>) };
  return api.post('/v1/images/generations', { prompt: 'a lighthouse', ...fields }, { ...init, headers });
}

async function jobs(key = 'anna'): Promise<Job[]> {
  const list = (await (await api.get('/jobs', as(key))).json()) as JobList;
  return list.data as unknown as Job[];
}

/** Finishes a claimed job with as many pictures as it should make. */
async function finish(claim: Claim): Promise<void> {
  const { id, request } = claim.record;
  const outputs = Array.from({ length: Number(request.inputs.count) }, (_, index) => finishedImage(id, index + 1));
  for (const { file } of outputs) await api.frames.put(file, [PNG], { signal: AbortSignal.timeout(60_000) });
  await claim.finish({ status: 'succeeded', outputs });
}

/** Waits until there are that many jobs, and returns them. */
function ordered(count = 1): Promise<Job[]> {
  return until(`there are ${count} jobs`, async () => {
    const all = await jobs();
    return all.length === count && all;
  });
}

async function formatOf(data: Body['data']): Promise<(string | undefined)[]> {
  return Promise.all(
    data.map(async ({ b64_json }) => (await sharp(Buffer.from(b64_json, 'base64')).metadata()).format),
  );
}

describe('POST /v1/images/generations', () => {
  it('answers when the pictures are made, with the id of their job', async () => {
    await begin();
    const asked = generate({ n: 3, size: '96x64', quality: 'low' });
    const [job] = await ordered();
    expect(job).toMatchObject({ lod: 'sketch', request: { workflow: 'text2img', width: 96, height: 64, count: 3 } });
    await finishJob(api, job?.id ?? '', 3);
    const answer = await asked;
    const body = await read(answer);
    expect([answer.status, answer.headers.get('x-request-id')]).toEqual([200, job?.id]);
    expect(answer.headers.get('x-should-retry')).toBe('false');
    expect(body).toMatchObject({ output_format: 'png', quality: 'low', size: '768x480' });
    expect(await formatOf(body.data)).toEqual(['png', 'png', 'png']);
  });

  it('waits for longer than an idle connection may last', async () => {
    await begin({ idleMs: 800 });
    const asked = generate();
    // Claims directly instead of polling the API, because an idle keep-alive connection would be closed.
    const claim = await api.claim();
    const silent = connect(api.port, '127.0.0.1');
    await once(silent, 'close'); // the request has waited at least as long as the idle limit
    const another = connect(api.port, '127.0.0.1');
    await once(another, 'close');
    await finish(claim);
    expect((await asked).status).toBe(200);
  });

  it('creates several jobs when one may not make all pictures', async () => {
    await begin({ env: { MAX_COUNT: '4' } });
    const asked = generate({ n: 10 });
    const all = await ordered(3);
    expect(all.map(({ request }) => request.count).sort()).toEqual([2, 4, 4]);
    for (const _ of all) await finish(await api.claim());
    const answer = await asked;
    expect((await read(answer)).data).toHaveLength(10);
    expect(all.map(({ id }) => id)).toContain(answer.headers.get('x-request-id'));
  });

  it('answers in the requested format', async () => {
    await begin();
    const ask = async (fields: object) => {
      const asked = generate(fields);
      const [job] = await until('a job waits', async () => {
        const open = (await jobs()).filter(({ finished_at }) => finished_at === null);
        return open.length > 0 && open;
      });
      await finishJob(api, job?.id ?? '');
      const body = await read(await asked);
      return [body.output_format, ...(await formatOf(body.data))];
    };
    expect(await ask({ output_format: 'webp', output_compression: 50 })).toEqual(['webp', 'webp']);
    expect(await ask({ output_format: 'jpeg' })).toEqual(['jpeg', 'jpeg']);
    expect(await ask({ output_format: 'png' })).toEqual(['png', 'png']);
  });

  it('answers with URLs on request, which need no key and serve the requested format', async () => {
    await begin();
    const asked = generate({ response_format: 'url', output_format: 'webp' });
    await finishJob(api, (await ordered())[0]?.id ?? '');
    const { data } = await read(await asked);
    const picture = await fetch(data[0]?.url ?? '');
    expect([picture.status, picture.headers.get('content-type')]).toEqual([200, 'image/webp']);
    expect(data[0]?.b64_json).toBeUndefined();
  });

  it('repeats its response for the same Idempotency-Key, without another job', async () => {
    await begin();
    const headers = { 'Idempotency-Key': 'once' };
    const [first, second] = [generate({ n: 2 }, { headers }), generate({ n: 2 }, { headers })];
    await finishJob(api, (await ordered())[0]?.id ?? '', 2);
    const texts = await Promise.all([first, second].map(async (asked) => (await asked).text()));
    const third = await generate({ n: 2 }, { headers });
    expect(third.headers.get('idempotent-replayed')).toBe('true');
    expect(new Set([...texts, await third.text()]).size).toBe(1);
    expect(await jobs()).toHaveLength(1);
    expect((await generate({ n: 3 }, { headers })).status).toBe(400);
  });

  it('reports why the job made no picture, and tells the client not to retry', async () => {
    await begin();
    const asked = generate();
    const claim = await api.claim();
    await claim.finish({ status: 'failed', error: { code: 'out_of_memory', detail: 'Too large.', nodeId: null } });
    const answer = await asked;
    expect([answer.status, answer.headers.get('x-should-retry')]).toEqual([500, 'false']);
    expect(answer.headers.get('x-request-id')).toBe(claim.record.id);
    expect(await read(answer)).toEqual({
      error: { message: 'Too large.', type: 'server_error', param: null, code: 'out_of_memory' },
    });
  });

  it('answers 409 canceled when the job is canceled', async () => {
    await begin();
    const asked = generate();
    const [job] = await ordered();
    await api.post(`/jobs/${job?.id}/cancel`, {}, as('anna'));
    const answer = await asked;
    expect([answer.status, (await read(answer)).error.code]).toEqual([409, 'canceled']);
  });

  it('answers immediately when the process stops, and allows a retry only with an Idempotency-Key', async () => {
    await begin();
    const [asked, repeatable] = [generate(), generate({ n: 2 }, { headers: { 'Idempotency-Key': 'a' } })];
    await ordered(2);
    api.stop();
    for (const [answer, again] of [
      [await asked, 'false'],
      [await repeatable, 'true'],
    ] as const) {
      expect([answer.status, answer.headers.get('x-should-retry')]).toEqual([503, again]);
      expect((await read(answer)).error.code).toBe('restarting');
    }
  });
});

it('leaves the job of a caller that disconnects running', async () => {
  await begin();
  const left = new AbortController();
  const asked = generate({}, { signal: left.signal });
  const [job] = await ordered();
  left.abort();
  await expect(asked).rejects.toThrow();
  await until('the API notices the disconnect', () =>
    api.logged.some(({ path, status }) => path === '/v1/images/generations' && status === 499),
  );
  await finishJob(api, job?.id ?? '');
  expect((await jobs())[0]?.status).toBe('succeeded');
});

it.each([false, true])(
  'counts as a download once it sends pictures, until they are read (stream: %s)',
  async (stream) => {
    await begin({ overrides: { http: { downloads: { mostOfKey: 1 } } } });
    const order = () => generate({ stream }, { headers: { 'idempotency-key': 'k' } });
    const first = order();
    const [job] = await ordered();
    await finishJob(api, job?.id ?? '', 1);
    expect(await (await first).text()).toContain('b64_json');
    // More than the buffers between the two sides hold.
    await api.frames.put(`${job?.id}_1.png`, [Buffer.alloc(32 * 1024 ** 2)], { signal: AbortSignal.timeout(60_000) });
    const unread = (await order()).body?.getReader();
    await unread?.read();
    const refused = await (await order()).text();
    expect(refused).toContain('too_many_streams');
    await unread?.cancel();
    await until('the next one', async () => {
      const reader = (await order()).body?.getReader();
      const { value } = (await reader?.read()) ?? {};
      await reader?.cancel();
      return Buffer.from(value ?? '').includes('b64_json');
    });
  },
);

describe('a stream of pictures', () => {
  it('begins immediately, sends previews spread over the progress, and ends with the pictures', async () => {
    await begin({ heartbeatMs: 50 });
    const answer = await generate({ stream: true, partial_images: 2 });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    const id = answer.headers.get('x-request-id') ?? '';
    const events = readEvents(answer);
    const claim = await api.claim();
    expect(claim.record.id).toBe(id);
    const jpeg = async (red: number) => {
      const background = { r: red, g: 0, b: 0 };
      const picture = sharp({ create: { width: 8, height: 8, channels: 3, background } });
      return (await picture.jpeg().toBuffer()).toString('base64');
    };
    const show = async (fraction: number) => {
      await claim.progress({ fraction, step: null, steps: null, node: null });
      await claim.preview({ contentType: 'image/jpeg', data: await jpeg(fraction * 200) });
    };
    await claim.submit('0198b5c0-0000-7000-8000-000000000000', 'gpu-1/1');
    await claim.start('0198b5c0-0000-7000-8000-000000000000');
    await show(0.1);
    expect(await events.next()).toMatchObject({
      event: 'image_generation.partial_image',
      data: {
        b64_json: await jpeg(20),
        partial_image_index: 0,
        output_format: 'jpeg',
        size: '768x480',
        quality: 'medium',
      },
    });
    await show(0.2); // too early for the second
    await show(0.6);
    const second = { partial_image_index: 1, b64_json: await jpeg(120) };
    expect((await events.next())?.data).toMatchObject(second);
    const completed = events.next();
    await until('a heartbeat comment is received', () => events.comments.length > 0);
    const picture = finishedImage(id);
    await api.frames.put(picture.file, [PNG], { signal: AbortSignal.timeout(60_000) });
    await claim.finish({ status: 'succeeded', outputs: [picture] });
    expect(await completed).toMatchObject({
      event: 'image_generation.completed',
      data: { type: 'image_generation.completed', b64_json: PNG.toString('base64'), output_format: 'png' },
    });
    expect(await events.next()).toBeUndefined();
  });

  it('ends with an error event when the job made no picture', async () => {
    await begin();
    const events = readEvents(await generate({ stream: true }));
    const claim = await api.claim();
    await claim.finish({ status: 'failed', error: { code: 'no_output', detail: 'Nothing came.', nodeId: null } });
    const error = { message: 'Nothing came.', type: 'server_error', param: null, code: 'no_output' };
    expect(await events.rest()).toEqual([{ event: 'error', id: undefined, data: { type: 'error', error } }]);
  });

  it('is refused like any request when the key has KEY_STREAMS open streams', async () => {
    await begin({ env: { KEY_STREAMS: '1' } });
    const left = new AbortController();
    await generate({ stream: true }, { signal: left.signal });
    for (const stream of [true, false]) {
      const answer = await generate({ stream });
      expect([answer.status, (await read(answer)).error.code]).toEqual([429, 'too_many_streams']);
    }
    expect(await jobs()).toHaveLength(1);
    left.abort();
  });
});

describe('a refused request', () => {
  const fault = async (answer: Response) => [answer.status, (await read(answer)).error.code];

  it("gets an error in OpenAI's format, whichever part of the API refuses it", async () => {
    await begin({
      keys: [...KEYS, aKey('narrow', { workflows: ['img2img'] }), aKey('few', { limits: { jobs_waiting: 1 } })],
    });
    expect(await fault(await generate({}, { key: 'nobody' }))).toEqual([401, 'invalid_api_key']);
    expect(await fault(await generate({ model: 'gpt-4o' }))).toEqual([404, 'model_not_found']);
    expect(await fault(await generate({}, { key: 'narrow' }))).toEqual([404, 'model_not_found']);
    expect(await fault(await api.post('/v1/images/upscales', {}, as('anna')))).toEqual([404, null]);
    expect(await fault(await api.get('/v1/images/generations', as('anna')))).toEqual([405, 'method_not_allowed']);
    const broken = { body: '{', headers: as('anna').headers };
    expect(await fault(await api.post('/v1/images/generations', {}, broken))).toEqual([400, null]);
    const left = new AbortController();
    void generate({}, { key: 'few', signal: left.signal }).catch(() => undefined);
    await until('one job waits', async () => (await jobs('few')).length === 1);
    const full = await generate({}, { key: 'few' });
    expect([full.headers.get('retry-after'), ...(await fault(full))]).toEqual(['5', 429, 'queue_full']);
    left.abort();
  });

  it('names the parameter', async () => {
    await begin();
    const param = async (fields: object) => (await read(await generate(fields))).error.param;
    expect(await param({ n: 0 })).toBe('n');
    expect(await param({ size: '1001x1000' })).toBe('size');
    expect(await param({ size: '32x32' })).toBe('size');
    expect(await param({ background: 'transparent' })).toBe('background');
    expect(await param({ model: 'img2img' })).toBe('model');
    expect(await param({ prompt: '\ud800' })).toBe('prompt');
    expect(await jobs()).toEqual([]);
  });

  it('gets our own 404 with COMPATIBLE_APIS=none', async () => {
    await begin({ env: { COMPATIBLE_APIS: 'none' } });
    const answer = await generate();
    expect([answer.status, (await read(answer)).code]).toEqual([404, 'not_found']);
  });
});

describe('GET /v1/models', () => {
  it('lists every model name that the key may use: workflows with each level of detail, and aliases', async () => {
    await begin({
      keys: [...KEYS, aKey('narrow', { workflows: ['img2img'] })],
      env: { OPENAI_MODEL_ALIASES: 'painter=text2img@final,editor=img2img' },
    });
    const ids = async (key: string) => {
      const { object, data } = await read(await api.get('/v1/models', as(key)));
      expect(object).toBe('list');
      return data.map(({ id }) => id);
    };
    expect(await ids('anna')).toEqual(
      expect.arrayContaining(['text2img', 'text2img@final', 'img2img@sketch', 'painter']),
    );
    expect(await ids('narrow')).toEqual([
      'img2img',
      ...['sketch', 'mid', 'final', 'direct_final'].map((lod) => `img2img@${lod}`),
      'editor',
    ]);
    const one = await api.get('/v1/models/img2img@final', as('narrow'));
    expect(await one.json()).toEqual({ id: 'img2img@final', object: 'model', created: 0, owned_by: 'comfy-fleet' });
    const none = await api.get('/v1/models/text2img', as('narrow'));
    expect([none.status, (await read(none)).error.code]).toEqual([404, 'model_not_found']);
  });
});
