import { type Job, type JobList, newId } from '@comfy-fleet/contracts';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { problemOf, startApi, type TestApi } from './api.js';
import { finishJob } from './finished-image.js';

let api: TestApi;
beforeAll(async () => {
  api = await startApi(inject('redisUrl'));
});
afterAll(() => api.close());

async function list(query = ''): Promise<JobList> {
  const answer = await api.get(`/jobs${query}`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as JobList;
}

const idsOf = ({ data }: JobList) => data.map(({ id }) => id);
const post = async (path: string, body?: unknown) => (await (await api.post(path, body)).json()) as Job;

describe('GET /jobs', () => {
  it('lists the newest jobs first, page by page, each of them once', async () => {
    const made = [];
    for (let n = 0; n < 7; n++) made.unshift((await api.accepted({ prompt: `${n}` })).id);
    const first = await list('?limit=3');
    expect(idsOf(first)).toEqual(made.slice(0, 3));
    expect(first).toMatchObject({ has_more: true, next_cursor: made[2] });
    const second = await list(`?limit=3&cursor=${first.next_cursor}`);
    expect(idsOf(second)).toEqual(made.slice(3, 6));
    const last = await list(`?limit=3&cursor=${second.next_cursor}`);
    expect(last).toMatchObject({ has_more: false, next_cursor: null });
    expect(idsOf(last)).toEqual(made.slice(6));
  });

  it('filters by status, lod, kind and metadata, alone and combined', async () => {
    const tag = newId();
    const wanted = await api.accepted({ lod: 'sketch', metadata: { tag, user: '7' } });
    const other = await api.accepted({ lod: 'final', metadata: { tag } });
    await api.post(`/jobs/${other.id}/cancel`, undefined);
    expect(idsOf(await list(`?metadata.tag=${tag}`))).toEqual([other.id, wanted.id]);
    expect(idsOf(await list(`?metadata.tag=${tag}&status=canceled`))).toEqual([other.id]);
    expect(idsOf(await list(`?metadata.tag=${tag}&lod=sketch&kind=text2img&status=queued`))).toEqual([wanted.id]);
    expect(idsOf(await list(`?metadata.tag=${tag}&metadata.user=7`))).toEqual([wanted.id]);
    expect(idsOf(await list(`?metadata.tag=${tag}&kind=img2img`))).toEqual([]);
    expect(idsOf(await list('?metadata.constructor=x'))).toEqual([]);
  });

  it('filters by created_after and created_before', async () => {
    const tag = newId();
    const early = await api.accepted({ metadata: { tag } });
    const at = new Date(Number.parseInt(early.id.replace('-', '').slice(0, 12), 16));
    const [before, after] = [new Date(at.getTime() - 1), new Date(at.getTime() + 1)].map((time) => time.toISOString());
    expect(idsOf(await list(`?metadata.tag=${tag}&created_after=${before}`))).toEqual([early.id]);
    expect(idsOf(await list(`?metadata.tag=${tag}&created_after=${at.toISOString()}`))).toEqual([]);
    expect(idsOf(await list(`?metadata.tag=${tag}&created_before=${after}`))).toEqual([early.id]);
    expect(idsOf(await list(`?metadata.tag=${tag}&created_before=${at.toISOString()}`))).toEqual([]);
  });

  it('checks at most 2,000 jobs against a filter, and continues there with the cursor', async () => {
    const long = await startApi(inject('redisUrl'));
    const sought = await long.accepted({ metadata: { rare: 'yes' } });
    const jobs = Array.from({ length: 1000 }, () => ({ prompt: 'x' }));
    for (let n = 0; n < 2; n++) expect((await long.post('/jobs/batch', { jobs })).status).toBe(202);
    const first = (await (await long.get('/jobs?metadata.rare=yes')).json()) as JobList;
    expect(first).toMatchObject({ data: [], has_more: true });
    const rest = (await (await long.get(`/jobs?metadata.rare=yes&cursor=${first.next_cursor}`)).json()) as JobList;
    expect(idsOf(rest)).toEqual([sought.id]);
    expect(rest.has_more).toBe(false);
    await long.close();
  });

  it.each([
    ['limit=0', '/limit'],
    ['limit=101', '/limit'],
    ['limit=x', '/limit'],
    ['cursor=x', '/cursor'],
    ['status=done', '/status'],
    ['lod=huge', '/lod'],
    ['kind=video', '/kind'],
    ['created_after=yesterday', '/created_after'],
    ['created_before=2026-02-30T00:00:00Z', '/created_before'],
    ['limit=1&limit=2', '/limit'],
    ['stauts=queued', '/stauts'],
  ])('refuses ?%s and names the parameter', async (query, pointer) => {
    const answer = await api.get(`/jobs?${query}`);
    expect(answer.status).toBe(422);
    expect((await problemOf(answer)).errors?.map((error) => error.pointer)).toEqual([pointer]);
  });
});

describe('DELETE /jobs/:id', () => {
  it('deletes the record and the pictures in every size, but only of a job that has ended', async () => {
    const { id } = await api.accepted();
    const early = await api.get(`/jobs/${id}`, { method: 'DELETE' });
    expect([early.status, (await problemOf(early)).code]).toEqual([409, 'wrong_job_state']);
    await finishJob(api, id, 2);
    expect((await api.get(`/images/${id}_2.png?width=64&format=webp`)).status).toBe(200);
    expect((await api.get(`/jobs/${id}`, { method: 'DELETE' })).status).toBe(204);
    for (const path of [`/jobs/${id}`, `/images/${id}_1.png`, `/images/${id}_2.png?width=64&format=webp`]) {
      expect((await api.get(path)).status).toBe(404);
    }
    expect(idsOf(await list())).not.toContain(id);
    expect((await api.get(`/jobs/${id}`, { method: 'DELETE' })).status).toBe(404);
  });
});

describe('POST /jobs/:id/retry', () => {
  it('creates a job with the same parameters and the same random seed', async () => {
    const first = await api.accepted({ lod: 'sketch', metadata: { a: 'b' } });
    await finishJob(api, first.id);
    const again = await post(`/jobs/${first.id}/retry`);
    expect(again).toMatchObject({
      status: 'queued',
      request: first.request,
      metadata: { a: 'b' },
      parent: { id: first.id, relation: 'retry' },
    });
    expect(again.id).not.toBe(first.id);
  });

  it('refuses a job that has not ended', async () => {
    const { id } = await api.accepted();
    const answer = await api.post(`/jobs/${id}/retry`, undefined);
    expect([answer.status, (await problemOf(answer)).code]).toEqual([409, 'wrong_job_state']);
  });
});

describe('POST /jobs/:id/refine', () => {
  it('starts the next level from the chosen picture, with its prompt, seed and overrides, and the other values of that level', async () => {
    const first = await api.accepted({ lod: 'sketch', cfg: 3.5, count: 2, negative_prompt: 'fog', seed: 9 });
    await finishJob(api, first.id, 2);
    const next = await post(`/jobs/${first.id}/refine`, { lod: 'mid', index: 1 });
    expect(next).toMatchObject({
      kind: 'img2img',
      lod: 'mid',
      parent: { id: first.id, relation: 'refine' },
      request: {
        prompt: first.request.prompt,
        negative_prompt: 'fog',
        seed: 9,
        cfg: 3.5,
        steps: 18,
        denoise: 0.55,
        count: 1,
      },
    });
    expect(next.request.image).toMatchObject({ source: `${first.id}_2.png`, width: 96, height: 64 });
    await finishJob(api, next.id);
    const top = await post(`/jobs/${next.id}/refine`, { lod: 'final' });
    expect(top.request).toMatchObject({ cfg: 3.5, steps: 30, denoise: 0.35, seed: 9 });
  });

  it.each([
    ['sketch', 'sketch', 'must be mid or final to refine a sketch'],
    ['sketch', 'direct_final', 'must be mid or final to refine a sketch'],
    ['mid', 'sketch', 'must be final to refine a mid'],
    ['final', 'final', 'a final has no higher level'],
    ['direct_final', 'final', 'a direct_final has no higher level'],
  ])('refuses to refine a %s to %s', async (from, to, detail) => {
    const { id } = await api.accepted({ lod: from });
    await finishJob(api, id);
    const answer = await api.post(`/jobs/${id}/refine`, { lod: to });
    expect(answer.status).toBe(422);
    expect((await problemOf(answer)).errors).toEqual([{ pointer: '/lod', detail }]);
  });

  it('refuses a picture that the job does not have, one that was deleted, and a job without success', async () => {
    const { id } = await api.accepted({ lod: 'sketch' });
    const early = await api.post(`/jobs/${id}/refine`, { lod: 'mid' });
    expect((await problemOf(early)).code).toBe('wrong_job_state');
    await finishJob(api, id);
    const missing = await api.post(`/jobs/${id}/refine`, { lod: 'mid', index: 1 });
    expect((await problemOf(missing)).errors?.[0]?.pointer).toBe('/index');
    await api.frames.delete(`${id}_1.png`);
    const deleted = await api.post(`/jobs/${id}/refine`, { lod: 'mid' });
    expect([deleted.status, (await problemOf(deleted)).code]).toEqual([409, 'wrong_job_state']);
  });
});

describe('POST /jobs/batch', () => {
  it('starts jobs from pictures made here', async () => {
    const { id } = await api.accepted({ lod: 'sketch' });
    await finishJob(api, id);
    const jobs = [{ kind: 'img2img', prompt: 'x', source: `${id}_1.png` }, { prompt: 'y' }];
    const { data } = (await (await api.post('/jobs/batch', { jobs })).json()) as { data: { id: string }[] };
    expect(await api.job(data[0]?.id ?? '')).toMatchObject({ kind: 'img2img', request: { image: { width: 96 } } });
    expect(await api.job(data[1]?.id ?? '')).toMatchObject({ kind: 'text2img' });
  });

  it('makes none when one is wrong, and says which and why', async () => {
    const before = (await list('?limit=1')).data[0]?.id;
    const jobs = [
      { prompt: 'x' },
      { prompt: '' },
      { prompt: 'x', promt: 1 },
      7,
      { kind: 'video' },
      { kind: 'img2img', prompt: 'x' },
    ];
    const problem = await problemOf(await api.post('/jobs/batch', { jobs }));
    expect(problem.errors?.map(({ pointer }) => pointer)).toEqual([
      '/jobs/1/prompt',
      '/jobs/2/promt',
      '/jobs/3',
      '/jobs/4',
      '/jobs/5/source',
    ]);
    const late = await problemOf(
      await api.post('/jobs/batch', { jobs: [{ prompt: 'x' }, { prompt: 'x', seed: '99999999999999999999' }] }),
    );
    expect(late.errors?.[0]?.pointer).toBe('/jobs/1/seed');
    expect((await list('?limit=1')).data[0]?.id).toBe(before);
  });

  it.each([
    ['no jobs', {}, '/jobs'],
    ['an empty list', { jobs: [] }, '/jobs'],
    ['too many', { jobs: Array.from({ length: 1001 }, () => ({ prompt: 'x' })) }, '/jobs'],
    ['no list', { jobs: { prompt: 'x' } }, '/jobs'],
    ['an unknown field', { jobs: [{ prompt: 'x' }], job: 1 }, '/job'],
  ])('refuses %s', async (_, body, pointer) => {
    const answer = await api.post('/jobs/batch', body);
    expect(answer.status).toBe(422);
    expect((await problemOf(answer)).errors?.map((error) => error.pointer)).toEqual([pointer]);
  });

  // Last: who claims a job after it claims these first.
  it('makes 1,000 jobs in one call and answers their ids in order', async () => {
    const jobs = Array.from({ length: 1000 }, (_, n) => ({ prompt: `picture ${n}`, lod: 'sketch' }));
    const answer = await api.post('/jobs/batch', { jobs });
    expect(answer.status).toBe(202);
    const { data } = (await answer.json()) as { data: { id: string; urls: { self: string } }[] };
    expect(data).toHaveLength(1000);
    for (const n of [0, 499, 999]) {
      expect(await api.job(data[n]?.id ?? '')).toMatchObject({ request: { prompt: `picture ${n}` }, status: 'queued' });
    }
    expect(data[0]?.urls.self).toBe(`/jobs/${data[0]?.id}`);
  });
});

describe('GET /usage', () => {
  it('counts jobs, how they ended, their pictures and the GPU’s time, by day', async () => {
    const own = await startApi(inject('redisUrl'));
    const done = await own.accepted();
    await finishJob(own, done.id, 2);
    const canceled = await own.accepted();
    await own.post(`/jobs/${canceled.id}/cancel`, undefined);
    const running = await own.accepted();
    const claim = await own.claim();
    await claim.submit('a4d1c1d4-0000-7000-8000-000000000000', 'gpu-1/1');
    await claim.start('a4d1c1d4-0000-7000-8000-000000000000');
    await claim.finish({ status: 'succeeded', outputs: [], executedMs: 1500 }, 'a4d1c1d4-0000-7000-8000-000000000000');
    expect(claim.record.id).toBe(running.id);
    const { data } = (await (await own.get('/usage?days=2')).json()) as { data: object[] };
    const none = { jobs: 0, succeeded: 0, failed: 0, canceled: 0, expired: 0, pictures: 0, gpu_seconds: 0 };
    const today = new Date().toISOString().slice(0, 10);
    expect(data).toEqual([
      { ...none, day: today, jobs: 3, succeeded: 2, canceled: 1, pictures: 2, gpu_seconds: 1.5 },
      { ...none, day: expect.stringMatching(/^\d{4}-\d\d-\d\d$/) },
    ]);
    await own.close();
  });

  it.each(['0', '91', 'x'])('refuses ?days=%s', async (days) => {
    const answer = await api.get(`/usage?days=${days}`);
    expect((await problemOf(answer)).errors?.[0]?.pointer).toBe('/days');
  });
});
