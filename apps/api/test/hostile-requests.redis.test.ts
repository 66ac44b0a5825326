import { HOSTILE_REQUESTS } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { problemOf, startApi, type TestApi } from './api.js';
import { publishRealCatalogue } from './runnable.js';

let api: TestApi;
beforeAll(async () => {
  api = await startApi(inject('redisUrl'));
  await publishRealCatalogue(api); // graphs are judged by it
});
afterAll(() => api.close());

/** More than any of our error responses needs. */
const MOST_ANSWER_BYTES = 64 * 1024;

describe('a request that is crafted to be expensive', () => {
  it.each(HOSTILE_REQUESTS.map((make, n) => [n + 1, make] as const))(
    'is refused by a small answer, and the next one is served (%i)',
    async (_, make) => {
      const { what, method, path, headers, body, status } = make();
      const answer = await fetch(api.url + path, { method, headers, ...(body === undefined ? {} : { body }) });
      const length = Number(answer.headers.get('content-length'));
      expect([what, answer.status]).toEqual([what, status]);
      expect(length).toBeLessThan(MOST_ANSWER_BYTES);
      if (path.startsWith('/comfyui/')) expect(await answer.json()).toHaveProperty('error');
      else await problemOf(answer);
      expect((await api.get('/livez')).status).toBe(200);
    },
  );
});
