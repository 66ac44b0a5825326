import { once } from 'node:events';
import { readdir, readlink, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { ApiKey, Job, JobList, Usage } from '@comfy-fleet/contracts';
import { newId } from '@comfy-fleet/contracts';
import { frameName } from '@comfy-fleet/frames';
import { LEAST_FILE_BYTES } from '@comfy-fleet/jobs';
import { claimNext, PICTURE, until } from '@comfy-fleet/testing';
import sharp from 'sharp';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';
import { readEvents } from './event-stream.js';
import { finishJob } from './finished-image.js';

async function open(limits: ApiKey['limits'], more: Partial<ApiKey> = {}): Promise<TestApi> {
  const keys = [aKey('anna', { ...(limits === undefined ? {} : { limits }), ...more }), aKey('bert')];
  const api = await startApi(inject('redisUrl'), { keys });
  onTestFinished(() => api.close());
  return api;
}

const submit = (api: TestApi, id: string, fields: object = {}) =>
  api.post('/generate', { prompt: 'x', ...fields }, as(id));

describe('requests_per_minute', () => {
  it('is counted down in RateLimit, and when it is used up, requests are refused with 429 and Retry-After', async () => {
    const api = await open({ requests_per_minute: 3 });
    const remaining: (string | undefined)[] = [];
    for (let n = 0; n < 3; n++) {
      const answer = await api.get('/jobs', as('anna'));
      expect(answer.status).toBe(200);
      expect(answer.headers.get('ratelimit-policy')).toBe('"requests";q=3;w=60');
      remaining.push(/^"requests";r=(\d+);t=\d+$/.exec(answer.headers.get('ratelimit') ?? '')?.[1]);
    }
    expect(remaining).toEqual(['2', '1', '0']);
    const refused = await api.get('/jobs', as('anna'));
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    expect(refused.headers.get('ratelimit')).toMatch(/^"requests";r=0;t=\d+$/);
    expect((await problemOf(refused)).code).toBe('rate_limited');
    expect((await api.get('/jobs', as('bert'))).status).toBe(200);
  });

  it('creates no job for a POST above the limit, and does not read its body', async () => {
    const api = await open({ requests_per_minute: 1 });
    expect((await submit(api, 'anna')).status).toBe(202);
    expect((await submit(api, 'anna')).status).toBe(429);
    const { data } = (await (await api.get('/usage?days=1', as('bert'))).json()) as { data: { jobs: number }[] };
    expect(data[0]?.jobs).toBe(0);
    expect(
      await api.worker.claims('default').then(async (source) => {
        const first = await claimNext(source);
        const second = await claimNext(source);
        first?.letGo();
        await source.close();
        return [first !== undefined, second];
      }),
    ).toEqual([true, undefined]);
  });

  it('counts refused requests too, and is reported with them', async () => {
    const api = await open({ requests_per_minute: 2 });
    const invalid = await api.post('/generate', {}, as('anna'));
    expect([invalid.status, invalid.headers.get('ratelimit')?.slice(0, 14)]).toEqual([422, '"requests";r=1']);
    const unknown = await api.get(`/jobs/${newId()}`, as('anna'));
    expect([unknown.status, unknown.headers.get('ratelimit')?.slice(0, 14)]).toEqual([404, '"requests";r=0']);
  });
});

describe('a picture that is requested above the limit', () => {
  it('is not opened', async () => {
    const api = await open({ requests_per_minute: 3 });
    const { id } = (await (await submit(api, 'anna', { priority: 2 })).json()) as Job;
    await finishJob(api, id);
    const ask = () => api.get(`/images/${id}_1.png`, as('anna'));
    for (let n = 0; n < 2; n++) await (await ask()).arrayBuffer();
    const answers = await Promise.all(Array.from({ length: 40 }, async () => (await ask()).status));
    expect(new Set(answers)).toEqual(new Set([429]));
    const fds = await readdir('/proc/self/fd');
    const opened = await Promise.all(fds.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
    expect(opened.filter((path) => path.startsWith(api.framesDir) && path.endsWith('.png'))).toEqual([]);
  });
});

describe('maxUploadingBytes', () => {
  it.each([
    ['/img2img', { image: PICTURE }],
    ['/generate', {}],
  ])(
    'refuses another body of %s while current ones use up the limit, and accepts it afterwards',
    async (path, more) => {
      const api = await startApi(inject('redisUrl'), { overrides: { http: { maxUploadingBytes: 1024 ** 2 } } });
      onTestFinished(() => api.close());
      const slow = connect(api.port, '127.0.0.1');
      const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1048576\r\nExpect: 100-continue\r\n\r\n`;
      slow.write(head);
      await once(slow, 'data'); // 100 Continue: it is under way
      const send = () => api.post(path, { prompt: 'x', ...more });
      const refused = await until('a refusal', async () => {
        const answer = await send();
        return answer.status === 503 ? answer : undefined;
      });
      expect(refused.headers.get('retry-after')).toBe('2');
      expect((await problemOf(refused)).code).toBe('overloaded');
      slow.destroy();
      await until('it to be accepted', async () => (await send()).status === 202);
    },
  );
});

describe('MAX_STREAMS', () => {
  it('refuses one more stream, and accepts it when another one has ended', async () => {
    const api = await startApi(inject('redisUrl'), { env: { MAX_STREAMS: '1' } });
    onTestFinished(() => api.close());
    const { id } = await api.accepted();
    const gone = new AbortController();
    await api.get(`/jobs/${id}/events`, { signal: gone.signal });
    const refused = await api.get(`/jobs/${id}/events`);
    expect([refused.status, (await problemOf(refused)).code]).toEqual([503, 'overloaded']);
    gone.abort();
    await until('it to be accepted', async () => {
      const answer = await api.get(`/jobs/${id}/events`);
      await answer.body?.cancel();
      return answer.status === 200;
    });
  });
});

describe('KEY_STREAMS', () => {
  it('refuses one more stream of a key or by its links, and accepts those of other keys', async () => {
    const keys = [aKey('anna'), aKey('ben')];
    const api = await startApi(inject('redisUrl'), { keys, env: { KEY_STREAMS: '1' } });
    onTestFinished(() => api.close());
    const order = async (key: string) => (await (await submit(api, key, { priority: 0 })).json()) as Job;
    const [annas, bens] = [await order('anna'), await order('ben')];
    const gone = new AbortController();
    onTestFinished(() => gone.abort());
    const events = `/jobs/${annas.id}/events`;
    // Visitors cannot keep the key from its own streams.
    expect((await api.get(annas.urls.events, { signal: gone.signal })).status).toBe(200);
    expect((await api.get(events, { ...as('anna'), signal: gone.signal })).status).toBe(200);
    for (const refused of [await api.get(events, as('anna')), await api.get(annas.urls.events)]) {
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '5']);
      expect((await problemOf(refused)).code).toBe('too_many_streams');
    }
    const other = await api.get(`/jobs/${bens.id}/events`, as('ben'));
    expect(other.status).toBe(200);
    await other.body?.cancel();
  });

  it('also counts requests that wait for the end of a job, and creates no job for a refused one', async () => {
    const api = await startApi(inject('redisUrl'), { keys: [aKey('anna')], env: { KEY_STREAMS: '1' } });
    onTestFinished(() => api.close());
    const { id } = (await (await submit(api, 'anna', { priority: 0 })).json()) as Job;
    const gone = new AbortController();
    onTestFinished(() => gone.abort());
    await api.get(`/jobs/${id}/events`, { ...as('anna'), signal: gone.signal });
    const waiting = { headers: { ...as('anna').headers, Prefer: 'wait=60' } };
    for (const refused of [
      await api.get(`/jobs/${id}?wait=60`, as('anna')),
      await api.post('/generate', { prompt: 'a fox' }, waiting),
    ]) {
      expect([refused.status, (await problemOf(refused)).code]).toEqual([429, 'too_many_streams']);
    }
    expect((await api.get(`/jobs/${id}`, as('anna'))).status).toBe(200);
    expect((await (await api.get('/jobs', as('anna'))).json()) as JobList).toMatchObject({ data: [{ id }] });
  });
});

it('sends previews only to as many event streams of a key as may get them, and everything else to all', async () => {
  const overrides = { http: { previews: { mostOfKey: 1 } } };
  const api = await startApi(inject('redisUrl'), { keys: [aKey('anna')], overrides });
  onTestFinished(() => api.close());
  const { id } = (await (await submit(api, 'anna')).json()) as Job;
  const claim = await api.claim();
  const promptId = newId();
  await claim.submit(promptId, 'gpu-1/1');
  await claim.start(promptId);
  const streams: ReturnType<typeof readEvents>[] = [];
  for (let n = 0; n < 2; n++) streams.push(readEvents(await api.get(`/jobs/${id}/events`, as('anna'))));
  for (const stream of streams) await stream.next();
  await claim.preview({ contentType: 'image/jpeg', data: '/9j/4A==' });
  expect(await streams[0]?.next()).toMatchObject({ event: 'preview' });
  await claim.finish({ status: 'succeeded', outputs: [] });
  const heard = await Promise.all(streams.map(async ({ rest }) => (await rest()).map(({ event }) => event)));
  expect(heard).toEqual([['status'], ['status']]);
});

describe('a download', () => {
  const one = { env: { KEY_STREAMS: '1' } };
  const oneDownload = { overrides: { http: { downloads: { mostOfKey: 1 } } } };
  it.each([
    ['by the key', 'stream', one],
    ['by a link', 'stream', one],
    ['by the key', 'download', oneDownload],
    ['by a link', 'download', oneDownload],
  ])('%s counts as a %s until the file has been read', async (how, _what, limit) => {
    const api = await startApi(inject('redisUrl'), { keys: [aKey('anna')], ...limit });
    onTestFinished(() => api.close());
    const { id } = (await (await submit(api, 'anna')).json()) as Job;
    await finishJob(api, id);
    const { image_url } = (await (await api.get(`/jobs/${id}`, as('anna'))).json()) as Job;
    const link = image_url ?? '';
    const [path = ''] = link.split('?', 1);
    // More than the buffers between the two sides hold.
    await api.frames.put(`${id}_1.png`, [Buffer.alloc(32 * 1024 ** 2)], { signal: AbortSignal.timeout(60_000) });
    const get = () => (how === 'by a link' ? api.get(link) : api.get(path, as('anna')));
    const unread = await get();
    expect(unread.status).toBe(200);
    const [byLink, byKey] = [await api.get(link), await api.get(path, as('anna'))];
    // Visitors are counted apart from the key.
    const [free, refused] = how === 'by a link' ? [byKey, byLink] : [byLink, byKey];
    expect(free.status).toBe(200);
    await free.body?.cancel();
    expect([refused.status, (await problemOf(refused)).code]).toEqual([429, 'too_many_streams']);
    await unread.arrayBuffer();
    await until('the next one', async () => {
      const answer = await get();
      await answer.body?.cancel();
      return answer.status === 200;
    });
  });

  it('of a public picture leaves those of other keys, and signed links of its own, to visitors', async () => {
    const keys = [aKey('anna'), aKey('ben')];
    const api = await startApi(inject('redisUrl'), { keys, env: { IMAGES: 'public' }, ...oneDownload });
    onTestFinished(() => api.close());
    const pictureOf = async (key: string) => {
      const { id } = (await (await submit(api, key)).json()) as Job;
      await api.frames.put(`${id}_1.png`, [Buffer.alloc(32 * 1024 ** 2)], { signal: AbortSignal.timeout(60_000) });
      return `/images/${id}_1.png`;
    };
    const [annas, bens] = [await pictureOf('anna'), await pictureOf('ben')];
    const unread = await api.get(annas);
    const signed = (await api.ledger.urls.signing('anna'))(annas);
    const others = [await api.get(annas), await api.get(bens), await api.get(signed)];
    expect(others.map(({ status }) => status)).toEqual([429, 200, 200]);
    for (const { body } of [unread, ...others]) await body?.cancel();
  });

  it('of a public picture without a job counts as none of a key, whatever its URL says', async () => {
    const env = { MAX_STREAMS: '1', IMAGES: 'public' };
    const api = await startApi(inject('redisUrl'), { keys: [aKey('anna')], env });
    onTestFinished(() => api.close());
    const name = `${newId()}_1.png`;
    await api.frames.put(name, [Buffer.alloc(32 * 1024 ** 2)], { signal: AbortSignal.timeout(60_000) });
    const unread = await api.get(`/images/${name}`);
    expect(unread.status).toBe(200);
    expect((await api.get(`/images/${name}?key=anna`)).status).toBe(503);
    await unread.body?.cancel();
  });
});

describe('the streams reserved for each key', () => {
  it('lets a key open that many streams and sockets even when other keys have used up MAX_STREAMS', async () => {
    const env = { MAX_STREAMS: '2', KEY_STREAMS: '2' };
    const overrides = { http: { streams: { reservedForKey: 1 } } };
    const api = await startApi(inject('redisUrl'), { keys: [aKey('anna'), aKey('ben'), aKey('carl')], env, overrides });
    onTestFinished(() => api.close());
    const gone = new AbortController();
    onTestFinished(() => gone.abort());
    const follow = async (key: string) => {
      const { id } = (await (await submit(api, key, { priority: 0 })).json()) as Job;
      return (await api.get(`/jobs/${id}/events`, { ...as(key), signal: gone.signal })).status;
    };
    const opensSocket = async (key: string) => {
      const socket = new WebSocket(`${api.url.replace('http', 'ws')}/comfyui/ws`, as(key));
      onTestFinished(() => socket.terminate());
      const [answer] = await Promise.race([
        once(socket, 'open'),
        once(socket, 'unexpected-response').then((all) => all.slice(1)),
      ]);
      return (answer as IncomingMessage | undefined)?.statusCode ?? 101;
    };
    expect([await follow('anna'), await opensSocket('anna')]).toEqual([200, 101]);
    expect([await follow('ben'), await follow('ben')]).toEqual([200, 503]);
    expect([await opensSocket('carl'), await opensSocket('carl')]).toEqual([101, 503]);
  });
});

describe('maxUploadingBytesOfKey', () => {
  it('refuses another body of a key whose current ones use up its share, and accepts those of other keys', async () => {
    const keys = [aKey('anna'), aKey('ben')];
    const overrides = { http: { maxUploadingBytes: 2 * 1024 ** 2, maxUploadingBytesOfKey: 1024 ** 2 } };
    const api = await startApi(inject('redisUrl'), { keys, overrides });
    onTestFinished(() => api.close());
    const slow = connect(api.port, '127.0.0.1');
    slow.write(
      'POST /img2img HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer anna\r\nContent-Type: application/json\r\n' +
        'Content-Length: 524288\r\nExpect: 100-continue\r\n\r\n',
    );
    await once(slow, 'data'); // 100 Continue: it is under way
    const send = (key: string) => api.post('/img2img', { prompt: 'x', image: PICTURE }, as(key));
    const refused = await until('a refusal', async () => {
      const answer = await send('anna');
      return answer.status === 429 ? answer : undefined;
    });
    expect((await problemOf(refused)).code).toBe('rate_limited');
    expect((await send('ben')).status).toBe(202);
    slow.destroy();
    await until('it to be accepted', async () => (await send('anna')).status === 202);
  });
});

describe('uploadingBytesReserved', () => {
  it('lets a key send bodies even when other keys have used up maxUploadingBytes, whatever idle uploads declare', async () => {
    const overrides = { http: { maxUploadingBytes: 1024 ** 2, uploadingBytesReserved: 65_536 } };
    const api = await startApi(inject('redisUrl'), { keys: ['anna', 'ben', 'carl'].map((id) => aKey(id)), overrides });
    onTestFinished(() => api.close());
    const begin = async (path: string, bytes: number) => {
      const slow = connect(api.port, '127.0.0.1');
      onTestFinished(() => void slow.destroy());
      const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer anna\r\nContent-Type: application/json\r\n`;
      slow.write(`${head}Content-Length: ${bytes}\r\nExpect: 100-continue\r\n\r\n`);
      await once(slow, 'data'); // 100 Continue: it is under way
    };
    const upload = (key: string) => api.post('/assets', {}, as(key));
    for (let n = 0; n < 3; n++) await begin('/assets', 2_000_000_000);
    expect((await upload('ben')).status).toBe(201);
    await begin('/generate', 1024 ** 2);
    expect((await submit(api, 'ben', { prompt: 'x'.repeat(3000) })).status).toBe(202);
    const large = JSON.stringify({ prompt: 'x', image: 'A'.repeat(60_000) });
    const refused = await fetch(`${api.url}/img2img`, {
      method: 'POST',
      body: large,
      headers: { ...as('carl').headers, 'Content-Type': 'application/json' },
    });
    expect(refused.status).toBe(503);
  });
});

describe('jobsReserved', () => {
  it('lets a key have that many waiting jobs even when other keys have used up MAX_OPEN_JOBS', async () => {
    const settings = { env: { MAX_OPEN_JOBS: '2' }, overrides: { access: { keyLimits: { jobsReserved: 1 } } } };
    const api = await startApi(inject('redisUrl'), { keys: [aKey('anna'), aKey('bert')], ...settings });
    onTestFinished(() => api.close());
    const statuses: number[] = [];
    for (const key of ['anna', 'anna', 'anna', 'bert', 'bert']) statuses.push((await submit(api, key)).status);
    expect(statuses).toEqual([202, 202, 429, 202, 429]);
  });
});

describe('jobs_waiting', () => {
  it('refuses with queue_full when that many jobs of the key wait, until one has begun, and does not affect other keys', async () => {
    const api = await open({ jobs_waiting: 2 });
    await submit(api, 'anna');
    await submit(api, 'anna');
    const refused = await submit(api, 'anna');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '5']);
    const problem = await problemOf(refused);
    expect(problem.code).toBe('queue_full');
    expect(problem.detail).toContain('2 jobs waiting');
    expect((await submit(api, 'bert')).status).toBe(202);
    const claim = await api.claim();
    const promptId = newId();
    await claim.submit(promptId, 'gpu-1/1');
    await claim.start(promptId);
    expect((await submit(api, 'anna')).status).toBe(202);
    expect((await submit(api, 'anna')).status).toBe(429);
  });

  it('refuses a whole batch that would exceed it', async () => {
    const api = await open({ jobs_waiting: 2 });
    const jobs = [{ prompt: 'a' }, { prompt: 'b' }, { prompt: 'c' }];
    const batch = (count: number) => api.post('/jobs/batch', { jobs: jobs.slice(0, count) }, as('anna'));
    const never = await batch(3); // could never fit into the limit
    expect([never.status, (await problemOf(never)).errors?.[0]?.pointer]).toEqual([422, '/jobs']);
    expect((await batch(1)).status).toBe(202);
    expect((await batch(2)).status).toBe(429);
    expect((await batch(1)).status).toBe(202);
  });
});

describe('upload_bytes_per_day', () => {
  const bytes = Buffer.from(PICTURE, 'base64').length;

  it('refuses a picture that would exceed it, and accepts a source that is already stored', async () => {
    const api = await open({ upload_bytes_per_day: 2 * bytes + 1 });
    const send = () => api.post('/img2img', { prompt: 'x', image: PICTURE }, as('anna'));
    expect((await send()).status).toBe(202);
    expect((await send()).status).toBe(202);
    const refused = await send();
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(86_400);
    expect((await problemOf(refused)).code).toBe('upload_limit_reached');
    expect((await api.post('/img2img', { prompt: 'x', image: PICTURE }, as('bert'))).status).toBe(202);
  });
});

describe('max_gpu_seconds_per_day', () => {
  const executed = async (api: TestApi, ms: number) => {
    const source = await api.worker.claims('default');
    const claim = await claimNext(source);
    await claim?.finish({ status: 'succeeded', outputs: [], executedMs: ms });
    await source.close();
  };

  it('refuses jobs once GPUs have worked that long for the key today, and accepts those of other keys', async () => {
    const api = await open({ max_gpu_seconds_per_day: 10 });
    expect((await submit(api, 'anna')).status).toBe(202);
    await executed(api, 10_000);
    const refused = await submit(api, 'anna');
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(86_400);
    expect((await problemOf(refused)).code).toBe('gpu_limit_reached');
    expect((await submit(api, 'bert')).status).toBe(202);
  });

  it('counts the expected time of waiting jobs', async () => {
    const api = await open({ max_gpu_seconds_per_day: 10 });
    expect((await submit(api, 'anna')).status).toBe(202);
    await executed(api, 4000);
    expect((await submit(api, 'anna')).status).toBe(202);
    expect((await submit(api, 'anna')).status).toBe(202);
    expect((await submit(api, 'anna')).status).toBe(429);
  });

  it('expects jobs to take what those of the key took, whatever those of other keys take', async () => {
    const api = await open({ max_gpu_seconds_per_day: 10 });
    await submit(api, 'anna');
    await executed(api, 1000);
    await submit(api, 'bert', { lod: 'final' });
    await executed(api, 60_000);
    expect((await submit(api, 'anna', { lod: 'final' })).status).toBe(202);
    expect((await submit(api, 'anna', { lod: 'final' })).status).toBe(202);
  });

  it('counts all jobs of a batch but the last one', async () => {
    const api = await open({ max_gpu_seconds_per_day: 10 });
    await submit(api, 'anna');
    await executed(api, 4000);
    const jobs = [{ prompt: 'a' }, { prompt: 'b' }, { prompt: 'c' }];
    const batch = (count: number) => api.post('/jobs/batch', { jobs: jobs.slice(0, count) }, as('anna'));
    expect((await batch(3)).status).toBe(429);
    expect((await batch(2)).status).toBe(202);
  });

  it('lets accepted jobs wait for the next day if others took longer than expected', async () => {
    const api = await open({ max_gpu_seconds_per_day: 10 });
    await submit(api, 'anna');
    await executed(api, 1000);
    await submit(api, 'anna');
    const waiting = (await (await submit(api, 'anna')).json()) as Job;
    await executed(api, 9000);
    expect(await api.ledger.jobs.get(waiting.id)).toMatchObject({ isOverGpuLimit: true });
  });

  it('shows the expected time of waiting jobs in GET /usage, separately from the time spent', async () => {
    const api = await open({ max_gpu_seconds_per_day: 10 });
    await submit(api, 'anna');
    await executed(api, 4000);
    await submit(api, 'anna');
    const { now } = (await (await api.get('/usage', as('anna'))).json()) as Usage;
    expect(now).toMatchObject({ gpu_seconds: 4, gpu_seconds_expected: 4, jobs_waiting: 1 });
  });
});

describe('max_priority', () => {
  it('reduces a higher priority, and keeps a lower one', async () => {
    const api = await open(undefined, { max_priority: 0 });
    const priorities = [];
    for (const priority of [2, 0, -2]) {
      priorities.push(((await (await submit(api, 'anna', { priority })).json()) as Job).request.priority);
    }
    expect(priorities).toEqual([0, 0, -2]);
  });

  it('reduces the priority of a retry whose job was created when the key could have a higher one', async () => {
    const api = await open(undefined, { max_priority: 2 });
    const { id } = (await (await submit(api, 'anna', { priority: 2 })).json()) as Job;
    await api.post(`/jobs/${id}/cancel`, undefined, as('anna'));
    await writeFile(api.keysFile, JSON.stringify({ keys: [aKey('anna', { max_priority: 0 })] }));
    await until('the retry has the priority that the key may have now', async () => {
      const again = (await (await api.post(`/jobs/${id}/retry`, undefined, as('anna'))).json()) as Job;
      return again.request.priority === 0;
    });
  });
});

describe('MIN_FREE_BYTES', () => {
  it('refuses new jobs with 507 storage_full while less disk space is free, and finishes accepted ones', async () => {
    const api = await startApi(inject('redisUrl'), { env: { MIN_FREE_BYTES: `${2 ** 52}` } });
    onTestFinished(() => api.close());
    const refused = await api.post('/generate', { prompt: 'x' });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([507, '60']);
    expect((await problemOf(refused)).code).toBe('storage_full');
    expect((await api.get('/jobs')).status).toBe(200);
  });
});

describe('the share of a key in full storage', () => {
  const png = () =>
    sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
  async function fullStorage(keys: Record<string, number>) {
    const api = await startApi(inject('redisUrl'), { keys: [aKey('anna'), aKey('ben')] });
    onTestFinished(() => api.close());
    await api.keeper.recordStorage({
      kinds: {},
      bytes: 1_000_000,
      most: 1_000_000,
      keys: new Map(Object.entries(keys).map(([key, bytes]) => [key, { bytes, evictable: 0, files: 1 }])),
    });
    const form = async (name: string, fields: Record<string, string> = {}) => {
      const sent = new FormData();
      for (const [field, value] of Object.entries(fields)) sent.set(field, value);
      sent.set(name, new Blob([await png()], { type: 'image/png' }), 'a.png');
      return sent;
    };
    const send = async (key: string, path: string, body: FormData) =>
      fetch(api.url + path, { method: 'POST', body, ...as(key) });
    return { api, form, send };
  }

  it('refuses its uploads with 507 storage_share_exceeded while its files use it up, but not those of other keys', async () => {
    const { api, form, send } = await fullStorage({ anna: 900_000, ben: 100_000 });
    const refused = [
      await send('anna', '/assets', await form('file')),
      await send('anna', '/img2img', await form('image', { prompt: 'x' })),
    ];
    for (const answer of refused) {
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([507, '60']);
      const { code, detail } = await problemOf(answer);
      expect([code, detail]).toEqual([
        'storage_share_exceeded',
        expect.stringMatching(/900000 bytes.* 500000\. Delete/),
      ]);
    }
    expect(api.logged.filter(({ level }) => level === 'warn')).toEqual([]);
    expect((await send('ben', '/assets', await form('file'))).status).toBe(201);
    expect((await send('ben', '/img2img', await form('image', { prompt: 'x' }))).status).toBe(202);
    expect((await api.get('/jobs', as('anna'))).status).toBe(200);
  });

  it('refuses its orders that use files which are already stored, since a waiting job would retain them', async () => {
    const { api, form, send } = await fullStorage({ ben: 1000 });
    const asset = (await (await send('ben', '/assets', await form('file'))).json()) as { id: string };
    const made = await send('ben', '/img2img', await form('image', { prompt: 'x' }));
    const { id } = (await made.json()) as Job;
    await api.post(`/jobs/${id}/cancel`, undefined, as('ben'));
    const keys = new Map([['ben', { bytes: 1_000_000, evictable: 0, files: 1 }]]);
    await api.keeper.recordStorage({ kinds: {}, bytes: 1_000_000, most: 1_000_000, keys });
    const refused = [
      await api.post('/workflows/img2img', { inputs: { prompt: 'x', image: `asset:${asset.id}` } }, as('ben')),
      await api.post(`/jobs/${id}/retry`, undefined, as('ben')),
    ];
    for (const answer of refused) expect((await problemOf(answer)).code).toBe('storage_share_exceeded');
  });

  it('refuses its uploads while it has too many files', async () => {
    const { api, form, send } = await fullStorage({});
    const keys = new Map([['anna', { bytes: 1, evictable: 0, files: 1_000_000 }]]);
    await api.keeper.recordStorage({ kinds: {}, bytes: 1, most: 1_000_000, keys });
    for (const path of ['/assets', '/workflows/img2img']) {
      const answer = await send('anna', path, await form('file'));
      expect([answer.status, (await problemOf(answer)).detail]).toEqual([507, expect.stringMatching(/too many files/)]);
    }
    expect((await send('ben', '/assets', await form('file'))).status).toBe(201);
  });

  it('refuses to make pictures of its outputs, and counts those that it makes', async () => {
    const { api } = await fullStorage({ anna: 400_000, ben: 600_000 });
    const urls: string[] = [];
    for (const key of ['anna', 'ben']) {
      const job = (await (await api.post('/generate', { prompt: 'x' }, as(key))).json()) as Job;
      const name = frameName(job.id, 1);
      await api.frames.put(name, [await png()], { signal: new AbortController().signal });
      urls.push(`/images/${name}`);
    }
    const [annas, bens] = urls;
    const refused = await api.get(`${bens}?format=webp`, as('ben'));
    expect([refused.status, (await problemOf(refused)).code]).toEqual([507, 'storage_share_exceeded']);
    expect((await api.get(`${bens}`, as('ben'))).status).toBe(200);
    const made = await api.get(`${annas}?format=webp`, as('anna'));
    const { bytes } = await api.ledger.storage.use('anna');
    expect([made.status, bytes]).toEqual([200, 400_000 + LEAST_FILE_BYTES]);
  });

  it('accepts its jobs, which wait for storage_share', async () => {
    const { api } = await fullStorage({ anna: 900_000, ben: 100_000 });
    const job = (await (await api.post('/generate', { prompt: 'x' }, as('anna'))).json()) as Job;
    expect(await api.ledger.jobs.get(job.id)).toMatchObject({ isOverStorage: true });
    await api.post('/generate', { prompt: 'x' }, as('ben'));
    expect((await api.claim()).record.key).toBe('ben');
  });

  it('is shown to the key itself, with what it has stored', async () => {
    const { api, form, send } = await fullStorage({ anna: 300_000, ben: 700_000 });
    await send('anna', '/assets', await form('file'));
    const { now } = (await (await api.get('/usage', as('anna'))).json()) as Usage;
    expect(now).toMatchObject({ storage_bytes: 300_000 + LEAST_FILE_BYTES, storage_share_bytes: 500_000 });
  });
});

describe('CORS_ORIGINS', () => {
  it('lets pages of these origins send requests and read the headers, and answers their preflight without a key', async () => {
    const api = await startApi(inject('redisUrl'), {
      keys: [aKey('anna')],
      env: { CORS_ORIGINS: 'https://a.example' },
    });
    onTestFinished(() => api.close());
    const preflight = await api.get('/generate', {
      method: 'OPTIONS',
      headers: { Origin: 'https://a.example', 'Access-Control-Request-Method': 'POST' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('https://a.example');
    expect(preflight.headers.get('access-control-allow-methods')).toContain('POST');
    const headers = { ...as('anna').headers, Origin: 'https://a.example' };
    const answer = await api.get('/jobs', { headers });
    expect(answer.headers.get('access-control-expose-headers')).toContain('RateLimit');
    const stranger = await api.get('/jobs', { headers: { ...headers, Origin: 'https://b.example' } });
    expect(stranger.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('is unset by default: no origin is allowed', async () => {
    const api = await startApi(inject('redisUrl'));
    onTestFinished(() => api.close());
    const answer = await api.get('/lods', { headers: { Origin: 'https://a.example' } });
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  });
});
