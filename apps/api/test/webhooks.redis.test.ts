import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Job, newId, type Usage, type WebhookDelivery } from '@comfy-fleet/contracts';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';
import { finishJob } from './finished-image.js';
import { plain } from './pictures.js';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const HOOK = { url: 'https://key.example.com/hook', events: ['job.failed' as const], secrets: [SECRET] };
let api: TestApi;
beforeAll(async () => {
  api = await startApi(inject('redisUrl'), { keys: [aKey('anna'), aKey('bert', { webhook: HOOK })] });
});
afterAll(() => api.close());

async function submit(fields: object, caller = 'anna'): Promise<Job> {
  const answer = await api.post('/generate', { prompt: 'x', ...fields }, as(caller));
  expect(answer.status).toBe(202);
  return (await answer.json()) as Job;
}

const deliveryOf = async ({ id }: Job, caller = 'anna') =>
  (await (await api.get(`/jobs/${id}/webhooks`, as(caller))).json()) as WebhookDelivery;

const cancel = ({ id }: Job) => api.post(`/jobs/${id}/cancel`, undefined, as('anna'));

describe('the webhook of a job', () => {
  it('is shown in the job without its secret, and its delivery waits for the end', async () => {
    const job = await submit({ webhook: { url: 'https://example.com/hook', secret: SECRET } });
    const events = ['job.succeeded', 'job.failed', 'job.canceled', 'job.expired'];
    expect(job.webhook).toEqual({ url: 'https://example.com/hook', events });
    expect(job.urls.webhooks).toBe(`/jobs/${job.id}/webhooks`);
    const delivery = await deliveryOf(job);
    expect(delivery).toEqual({
      id: `msg_${job.id}`,
      url: 'https://example.com/hook',
      events,
      state: 'waiting',
      next_attempt_at: null,
      attempts: [],
    });
    expect(JSON.stringify([job, delivery])).not.toContain('whsec_');
  });

  it('can be given as webhook_url, and is pending once the job has ended', async () => {
    const job = await submit({ webhook_url: 'https://example.com/hook' });
    await cancel(job);
    expect((await deliveryOf(job)).state).toBe('pending');
  });

  it('is skipped when its events do not include how the job ended', async () => {
    const job = await submit({ webhook: { url: 'https://example.com/hook', events: ['job.failed'] } });
    await cancel(job);
    expect((await deliveryOf(job)).state).toBe('skipped');
    const again = await api.post(`/jobs/${job.id}/webhooks/redeliver`, undefined, as('anna'));
    expect([again.status, (await problemOf(again)).code]).toEqual([409, 'wrong_job_state']);
  });

  it('is that of the key when the request has none', async () => {
    expect((await submit({}, 'bert')).webhook).toEqual({ url: HOOK.url, events: HOOK.events });
    const own = await submit({ webhook_url: 'https://example.com/own' }, 'bert');
    expect(own.webhook?.url).toBe('https://example.com/own');
  });

  it('can be delivered again only when the job has ended', async () => {
    const job = await submit({ webhook_url: 'https://example.com/hook' });
    const early = await api.post(`/jobs/${job.id}/webhooks/redeliver`, undefined, as('anna'));
    expect([early.status, (await problemOf(early)).code]).toEqual([409, 'wrong_job_state']);
    await cancel(job);
    const answer = await api.post(`/jobs/${job.id}/webhooks/redeliver`, undefined, as('anna'));
    expect(answer.status).toBe(202);
    expect((await answer.json()) as WebhookDelivery).toMatchObject({ id: `msg_${job.id}`, state: 'pending' });
  });

  it('is copied to a retry of the job', async () => {
    const job = await submit({ webhook_url: 'https://example.com/hook' });
    await cancel(job);
    const again = (await (await api.post(`/jobs/${job.id}/retry`, undefined, as('anna'))).json()) as Job;
    expect(again.webhook?.url).toBe('https://example.com/hook');
  });

  it('is hidden from other keys, and not found for a job without one', async () => {
    const job = await submit({ webhook_url: 'https://example.com/hook' });
    const plain = await submit({});
    expect([plain.webhook, plain.urls.webhooks]).toEqual([null, undefined]);
    const asks = [
      [`/jobs/${job.id}/webhooks`, 'bert', 'job_not_found'],
      [`/jobs/${plain.id}/webhooks`, 'anna', 'webhook_not_found'],
      [`/jobs/${newId()}/webhooks`, 'anna', 'job_not_found'],
    ] as const;
    for (const [path, caller, code] of asks) {
      const answer = await api.get(path, as(caller));
      expect([answer.status, (await problemOf(answer)).code]).toEqual([404, code]);
    }
  });
});

describe('an invalid webhook', () => {
  it.each([
    ['a private address', { webhook_url: 'http://10.0.0.1/' }, 'url_not_allowed', '/webhook_url'],
    ['the metadata service', { webhook: { url: 'http://169.254.169.254/' } }, 'url_not_allowed', '/webhook/url'],
    ['another scheme', { webhook_url: 'ftp://example.com/' }, 'url_not_allowed', '/webhook_url'],
    ['no URL', { webhook_url: 'hook' }, 'url_not_allowed', '/webhook_url'],
    [
      'both fields',
      { webhook_url: 'https://a.example', webhook: { url: 'https://a.example' } },
      'validation_failed',
      '/webhook_url',
    ],
    [
      'a weak secret',
      { webhook: { url: 'https://a.example', secret: 'whsec_c2hvcnQ=' } },
      'validation_failed',
      '/webhook/secret',
    ],
    [
      'an unknown event',
      { webhook: { url: 'https://a.example', events: ['job.done'] } },
      'validation_failed',
      '/webhook/events/0',
    ],
    ['no events', { webhook: { url: 'https://a.example', events: [] } }, 'validation_failed', '/webhook/events'],
    [
      'an unknown field',
      { webhook: { url: 'https://a.example', retries: 3 } },
      'validation_failed',
      '/webhook/retries',
    ],
  ])('with %s is refused, and no job is created', async (_, fields, code, pointer) => {
    const answer = await api.post('/generate', { prompt: 'x', ...fields }, as('anna'));
    expect(answer.status).toBe(422);
    const problem = await problemOf(answer);
    expect([problem.code, problem.errors?.map((error) => error.pointer)]).toEqual([code, [pointer]]);
    expect(problem.errors?.[0]?.detail).not.toContain('whsec_c2hvcnQ');
    expect(problem.errors?.[0]?.detail).not.toContain('prompt');
  });

  describe('refuses the request before its picture is stored', () => {
    const fields = { prompt: 'x', webhook_url: 'http://10.0.0.1/' };
    const inputs = () => readdir(join(api.framesDir, 'inputs')).catch(() => []);

    it('and charged, for POST /img2img', async () => {
      const image = (await plain(64, 64, 'red').png().toBuffer()).toString('base64');
      const answer = await api.post('/img2img', { ...fields, image }, as('anna'));
      expect((await problemOf(answer)).errors?.[0]?.pointer).toBe('/webhook_url');
      expect(await inputs()).toEqual([]);
      const { now } = (await (await api.get('/usage', as('anna'))).json()) as Usage;
      expect([now.upload_bytes, now.storage_bytes]).toEqual([0, 0]);
    });

    it('for an entry of a batch', async () => {
      const job = await submit({});
      await finishJob(api, job.id);
      const jobs = [{ ...fields, kind: 'img2img', source: `${job.id}_1.png` }];
      const answer = await api.post('/jobs/batch', { jobs }, as('anna'));
      expect((await problemOf(answer)).errors?.[0]?.pointer).toBe('/jobs/0/webhook_url');
      expect(await inputs()).toEqual([]);
    });
  });
});
