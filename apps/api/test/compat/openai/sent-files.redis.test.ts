import type { Job, JobList } from '@comfy-fleet/contracts';
import { PICTURE, until } from '@comfy-fleet/testing';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { startApi, type TestApi } from '../../api.js';
import { finishJob } from '../../finished-image.js';

let api: TestApi;
beforeAll(async () => {
  api = await startApi(inject('redisUrl'));
});
afterAll(() => api.close());

it('edits the picture of a form', async () => {
  const body = new FormData();
  body.set('prompt', 'a boat');
  body.set('image', new Blob([Buffer.from(PICTURE, 'base64')], { type: 'image/png' }), 'a.png');
  const asked = fetch(`${api.url}/v1/images/edits`, { method: 'POST', body });
  const job = await until('the job exists', async () => {
    const { data } = (await (await api.get('/jobs')).json()) as JobList;
    return data[0] as unknown as Job | undefined;
  });
  expect(job.request).toMatchObject({ workflow: 'img2img', image: { width: 64, height: 64 } });
  await finishJob(api, job.id);
  expect((await asked).status).toBe(200);
});

it('refuses an edit without a form, in the format of OpenAI', async () => {
  const answer = await api.post('/v1/images/edits', { prompt: 'a boat', images: [] });
  expect([answer.status, await answer.json()]).toMatchObject([415, { error: { type: 'invalid_request_error' } }]);
});
