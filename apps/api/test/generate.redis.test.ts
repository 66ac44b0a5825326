import type { Job } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { problemOf, startApi, type TestApi } from './api.js';

let api: TestApi;
beforeAll(async () => {
  api = await startApi(inject('redisUrl'));
});
afterAll(() => api.close());

describe('POST /generate', () => {
  it('answers 202 with Location, Retry-After and the whole job, which can be read at once', async () => {
    const answer = await api.post('/generate', { prompt: 'a lighthouse', lod: 'sketch', metadata: { scene: '12' } });
    const job = (await answer.json()) as Job;
    expect(answer.status).toBe(202);
    expect(answer.headers.get('location')).toBe(`/jobs/${job.id}`);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(job).toMatchObject({
      kind: 'text2img',
      lod: 'sketch',
      status: 'queued',
      steps: 8,
      cfg: 5,
      sampler: 'euler_ancestral',
      scheduler: 'normal',
      request: { prompt: 'a lighthouse', width: 512, height: 320, count: 1, denoise: 1, priority: 0 },
      metadata: { scene: '12' },
      images: [],
      image_url: null,
      error: null,
      urls: { self: `/jobs/${job.id}`, events: `/jobs/${job.id}/events`, cancel: `/jobs/${job.id}/cancel` },
    });
    expect(await api.job(job.id)).toEqual(job);
  });

  it('ignores a traceparent if there is no collector: it is neither logged nor kept in the job', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    const answer = await api.post('/generate', { prompt: 'a lighthouse' }, { headers });
    const { id } = (await answer.json()) as Job;
    const isLogged = (line: Record<string, unknown>) => line.message === 'request' && line.job === id;
    await until('the request to be logged', () => api.logged.some(isLogged));
    expect(JSON.stringify(api.logged)).not.toContain(traceId);
    expect((await api.ledger.jobs.get(id))?.record.traceparent).toBeNull();
  });

  it('keeps the same signature of what is encoded for one text with several seeds', async () => {
    const encodingOf = async (body: object) =>
      (await api.ledger.jobs.get((await api.accepted(body)).id))?.record.encoding;
    const first = await encodingOf({ prompt: 'a lighthouse', seed: 1 });
    expect(first).toEqual(expect.any(String));
    expect(await encodingOf({ prompt: 'a lighthouse', seed: 2 })).toBe(first);
    expect(await encodingOf({ prompt: 'a fox', seed: 1 })).not.toBe(first);
  });

  it('creates a job that expires if it has not started within start_within_seconds', async () => {
    const job = await api.accepted({ start_within_seconds: 1 });
    expect(Date.parse(job.start_deadline) - Date.parse(job.created_at)).toBe(1000);
    await until('the job to expire', async () => {
      await api.keeper.sweep();
      return (await api.job(job.id)).status === 'expired';
    });
  });

  it('accepts start_within_seconds only from 1 to MAX_QUEUED_SECONDS', async () => {
    for (const start_within_seconds of [0, 86_401, 1.5, 'soon']) {
      const { errors } = await problemOf(await api.post('/generate', { prompt: 'a fox', start_within_seconds }));
      expect(errors).toMatchObject([{ pointer: '/start_within_seconds' }]);
    }
  });

  it('accepts every field, and the values of the request override those of the profile', async () => {
    const fields = {
      prompt: 'a lighthouse',
      negative_prompt: 'people',
      lod: 'final',
      steps: 150,
      cfg: 0,
      sampler: 'ddim',
      scheduler: 'simple',
      seed: 7,
      width: 64,
      height: 2048,
      count: 8,
      checkpoint: 'other.safetensors',
      priority: -2,
    };
    const { lod: _, ...resolved } = fields;
    expect((await api.accepted(fields)).request).toMatchObject(resolved);
  });

  it('uses mid if the request has no lod, and a random seed for every job', async () => {
    const [one, two] = [await api.accepted(), await api.accepted()];
    expect(one.lod).toBe('mid');
    expect(one.seed).toBe(one.request.seed);
    expect(one.seed).not.toBe(two.seed);
  });

  it.each([
    [0, '0', 0],
    [Number.MAX_SAFE_INTEGER, '9007199254740991', Number.MAX_SAFE_INTEGER],
    ['9007199254740993', '9007199254740993', '9007199254740993'],
    ['18446744073709551615', '18446744073709551615', '18446744073709551615'],
    ['007', '7', 7],
  ])('keeps the seed %j exactly in the ledger and in the answer', async (seed, stored, presented) => {
    const job = await api.accepted({ seed });
    expect([job.seed, job.request.seed]).toEqual([presented, presented]);
    const { seed: written } = (await claimed(job.id)).inputs;
    expect(written).toBe(stored);
  });

  it('answers only when the job has ended if the request has Prefer: wait', async () => {
    const answer = api.post('/generate', { prompt: 'waited for', priority: 2 }, { headers: { Prefer: 'wait=60' } });
    const claim = await claimOf('waited for');
    await claim.finish({ status: 'failed', error: { code: 'no_output', detail: 'Nothing.', nodeId: null } });
    const job = (await (await answer).json()) as Job;
    expect((await answer).status).toBe(200);
    expect((await answer).headers.get('preference-applied')).toBe('wait=60');
    expect((await answer).headers.get('retry-after')).toBeNull();
    expect(job).toMatchObject({ status: 'failed', error: { code: 'no_output', title: expect.any(String) } });
  });

  it('answers the queued job when the preferred time is up', async () => {
    const answer = await api.post('/generate', { prompt: 'x' }, { headers: { Prefer: 'respond-async, wait=1' } });
    expect(answer.headers.get('preference-applied')).toBe('wait=1');
    expect(((await answer.json()) as Job).status).toBe('queued');
  });

  it('makes URLs absolute when PUBLIC_URL is set', async () => {
    const public_ = await startApi(inject('redisUrl'), { env: { PUBLIC_URL: 'https://pictures.example/api/' } });
    try {
      const job = await public_.accepted();
      expect(job.urls.self).toBe(`https://pictures.example/api/jobs/${job.id}`);
    } finally {
      await public_.close();
    }
  });

  it('answers 429 queue_full with Retry-After when MAX_OPEN_JOBS are open', async () => {
    const small = await startApi(inject('redisUrl'), { env: { MAX_OPEN_JOBS: '1' } });
    try {
      await small.accepted();
      const refused = await small.post('/generate', { prompt: 'one too many' });
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(await refused.json()).toMatchObject({ code: 'queue_full', status: 429 });
    } finally {
      await small.close();
    }
  });
});

async function claimed(id: string) {
  for (;;) {
    const claim = await api.claim();
    await claim.finish({ status: 'canceled' });
    if (claim.record.id === id) return claim.record.request;
  }
}

async function claimOf(prompt: string) {
  for (;;) {
    const claim = await api.claim();
    if (claim.record.request.inputs.prompt === prompt) return claim;
    await claim.finish({ status: 'canceled' });
  }
}
