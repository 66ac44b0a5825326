import { newId } from '@comfy-fleet/contracts';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { jobRoutes } from '../src/resources/jobs/routes.js';
import type { ApiRequest } from '../src/server/messages.js';
import { problemOf, startApi, type TestApi } from './api.js';
import { finishedImage } from './finished-image.js';

let api: TestApi;
beforeEach(async () => {
  api = await startApi(inject('redisUrl'));
});
afterEach(() => api.close());

describe('GET /jobs/:id', () => {
  it('shows each state of a job from queued to succeeded', async () => {
    const { id } = await api.accepted({ seed: '18446744073709551615', steps: 12 });
    const next = await api.accepted();
    expect((await api.job(id)).queue_position).toBe(0);
    expect((await api.job(next.id)).queue_position).toBe(1);

    const claim = await api.claim();
    expect(claim.record.id).toBe(id);
    const promptId = newId();
    await claim.submit(promptId, 'gpu-1/1');
    expect(await api.job(id)).toMatchObject({ status: 'queued', queue_position: null, attempts: 0 });
    await claim.start(promptId);
    await claim.progress({ fraction: 0.5, step: 6, steps: 12, node: 'KSampler' });
    expect(await api.job(id)).toMatchObject({
      status: 'running',
      started_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      finished_at: null,
      progress: { fraction: 0.5, step: 6, steps: 12, node: 'KSampler' },
      instance: 'gpu-1/1',
      attempts: 1,
    });

    const image = finishedImage(id);
    await claim.finish({ status: 'succeeded', outputs: [image] });
    expect(await api.job(id)).toMatchObject({
      status: 'succeeded',
      progress: { fraction: 1 },
      image_url: `/images/${id}_1.png`,
      images: [
        {
          image_url: `/images/${id}_1.png`,
          width: 768,
          height: 480,
          seed: '18446744073709551615',
          content_type: 'image/png',
          bytes: image.bytes,
          sha256: image.sha256,
        },
      ],
      queue_ms: expect.any(Number),
      duration_ms: expect.any(Number),
      error: null,
    });
  });

  it.each(['nothing', '0198b5c0-0000-7000-8000-000000000000', '0198B5C0-0000-7000-8000-000000000000'])(
    'answers 404 job_not_found to the id %s',
    async (id) => {
      for (const path of [`/jobs/${id}`, `/jobs/${id}?wait=1`, `/jobs/${id}/events`]) {
        const answer = await api.get(path);
        expect(answer.status).toBe(404);
        expect(await problemOf(answer)).toMatchObject({ code: 'job_not_found', instance: path.split('?')[0] });
      }
      expect((await api.post(`/jobs/${id}/cancel`, {})).status).toBe(404);
    },
  );

  it('answers ?wait only when the job has ended', async () => {
    const { id } = await api.accepted();
    const waiting = api.get(`/jobs/${id}?wait=60`);
    const claim = await api.claim();
    await claim.finish({ status: 'succeeded', outputs: [finishedImage(id)] });
    expect(await (await waiting).json()).toMatchObject({ id, status: 'succeeded' });
  });

  it('answers ?wait at once when the job has already ended, and with the queued job when the time is up', async () => {
    const { id } = await api.accepted();
    expect(await (await api.get(`/jobs/${id}?wait=1`)).json()).toMatchObject({ status: 'queued' });
    await api.post(`/jobs/${id}/cancel`, {});
    expect(await (await api.get(`/jobs/${id}?wait=60`)).json()).toMatchObject({ status: 'canceled' });
  });

  it.each(['0', '61', '-1', '1.5', 'abc', '', '5&wait=6'])('answers 422 to ?wait=%s', async (wait) => {
    const answer = await api.get(`/jobs/${newId()}?wait=${wait}`);
    expect(answer.status).toBe(422);
    expect((await problemOf(answer)).errors).toMatchObject([{ pointer: '/wait' }]);
  });

  it('answers waiting requests with the current job when the process is stopping', async () => {
    const { id } = await api.accepted();
    const waiting = api.get(`/jobs/${id}?wait=60`);
    const submitting = api.post('/generate', { prompt: 'x' }, { headers: { Prefer: 'wait=60' } });
    await api.claim(); // by then both requests wait, or will find the process stopping: the answer is the same
    api.stop();
    expect(await (await waiting).json()).toMatchObject({ id, status: 'queued' });
    expect((await submitting).status).toBe(202);
  });
});

describe('POST /jobs/:id/cancel', () => {
  it('cancels a queued job for good, and answers the same when repeated', async () => {
    const { id } = await api.accepted();
    const other = await api.accepted();
    const first = await api.post(`/jobs/${id}/cancel`, {});
    const second = await fetch(`${api.url}/jobs/${id}/cancel`, { method: 'POST' });
    expect([first.status, second.status]).toEqual([200, 200]);
    const job = await first.json();
    expect(job).toMatchObject({ id, status: 'canceled', finished_at: expect.any(String), started_at: null });
    expect(await second.json()).toEqual(job);
    expect((await api.claim()).record.id).toBe(other.id);
  });

  it('shows a running job as canceling until its worker has stopped it', async () => {
    const { id } = await api.accepted();
    const claim = await api.claim();
    const promptId = newId();
    await claim.submit(promptId, 'gpu-1/1');
    await claim.start(promptId);
    expect(await (await api.post(`/jobs/${id}/cancel`, {})).json()).toMatchObject({ status: 'canceling' });
    expect(await claim.check()).toBe('canceling');
    await claim.finish({ status: 'canceled' });
    expect(await api.job(id)).toMatchObject({ status: 'canceled', image_url: null });
  });

  it('does not change a job that has ended', async () => {
    const { id } = await api.accepted();
    const claim = await api.claim();
    await claim.finish({ status: 'succeeded', outputs: [finishedImage(id)] });
    expect(await (await api.post(`/jobs/${id}/cancel`, {})).json()).toMatchObject({ status: 'succeeded' });
  });
});

describe('GET /jobs', () => {
  it('answers two lists of a key at a time, and others when these have been sent', async () => {
    const list = jobRoutes(api.deps).find(({ method, path }) => method === 'GET' && path === '/jobs');
    const listFor = (id: string, { signal }: AbortController) => {
      const caller = { id, scopes: [] };
      return list?.handler({ caller, signal, query: new URLSearchParams(), params: {} } as unknown as ApiRequest);
    };
    const [first, second, third] = [new AbortController(), new AbortController(), new AbortController()];
    await Promise.all([listFor('anna', first), listFor('anna', second)]);
    let isAnswered = false;
    const waiting = Promise.resolve(listFor('anna', third)).then(() => (isAnswered = true));
    for (const other of ['bert', 'cleo'])
      expect(await listFor(other, new AbortController())).toMatchObject({ status: 200 });
    expect(isAnswered).toBe(false);
    first.abort();
    expect(await waiting).toBe(true);
  });
});
