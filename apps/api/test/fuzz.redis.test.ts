import { inputName } from '@comfy-fleet/frames';
import type { Asset } from '@comfy-fleet/jobs';
import fc, { type Arbitrary } from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { aKey, as, startApi, type TestApi } from './api.js';
import { finishJob } from './finished-image.js';
import { allFiles, allJobs, type FuzzClient, type FuzzRequest, faultsOf, fuzzClient } from './fuzz/client.js';
import { anyRequest, formRequest, orderRequest } from './fuzz/requests.js';
import type { FuzzTargets } from './fuzz/targets.js';
import { plain } from './pictures.js';

/** Sent at once; what the server does then is its own affair. */
const AT_ONCE = 20;
const KEY = 'fuzz';
const PATIENCE_MS = 900_000;

let api: TestApi;
let client: FuzzClient;
let targets: FuzzTargets;
/** Accepted jobs, according to the responses. */
const accepted = new Set<string>();
/** Deleted jobs, according to the requests. */
const deleted = new Set<string>();
/** How many responses had each status. */
const statuses = new Map<number, number>();

beforeAll(async () => {
  const limits = { requests_per_minute: 1_000_000, jobs_waiting: 1_000_000, upload_bytes_per_day: 1_000_000_000_000 };
  const env = { MAX_OPEN_JOBS: '1000000' };
  const overrides = { http: { maxWaitSeconds: 1, maxJsonBytes: 100_000, maxBatchJobs: 5 } };
  api = await startApi(inject('redisUrl'), {
    env,
    overrides,
    keys: [aKey(KEY, { scopes: ['jobs', 'admin'], limits })],
  });
  client = fuzzClient(api);
  const order = async (path: string, fields: object): Promise<string> => {
    const answer = await api.post(path, fields, as(KEY));
    const { id } = (await answer.json()) as { id: string };
    accepted.add(id);
    return id;
  };
  const done = await order('/generate', { prompt: 'a lighthouse', lod: 'sketch' });
  await finishJob(api, done);
  const queued = await order('/generate', { prompt: 'a lighthouse', lod: 'sketch' });
  const { images } = (await (await api.get(`/jobs/${done}`, as(KEY))).json()) as { images: { image_url: string }[] };
  const signed = images[0]?.image_url ?? '';
  const frame = signed.slice('/images/'.length, signed.indexOf('?'));
  const png = await plain(16, 16, 'red').png().toBuffer();
  // Stores every picture that the requests can use, so that any further file was left by a refused order.
  await order('/img2img', { prompt: 'a fox', image: png.toString('base64') });
  await order('/img2img', { prompt: 'a fox', source: frame });
  const { paths } = (await (await api.get('/openapi.json')).json()) as { paths: Record<string, object> };
  const operations = Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item).map((verb) => `${verb.toUpperCase()} ${path}`),
  );
  targets = { operations, key: KEY, jobs: [done, queued], frames: [frame], signed, png };
});
afterAll(async () => {
  client.close();
  await api.close();
});

/** Sends a request and returns what is wrong with the response. */
async function tried(request: FuzzRequest): Promise<string[]> {
  const answer = await client.send(request);
  const { status, text } = answer;
  statuses.set(status, (statuses.get(status) ?? 0) + 1);
  if (request.method === 'POST' && (status === 202 || status === 200) && !/cancel|redeliver|assets/i.test(request.path))
    note(text);
  if (request.method === 'DELETE' && status === 204) {
    deleted.add(/\/jobs\/([^/?]+)/i.exec(request.path)?.[1] ?? '');
  }
  return faultsOf(answer, request.method).map((fault) => `${request.method} ${request.path}: ${fault}`);
}

async function allAssets(): Promise<Asset[]> {
  const assets: Asset[] = [];
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await api.ledger.assets.list(KEY, { cursor, limit: 100 });
    assets.push(...page.assets);
    cursor = page.next;
  }
  return assets;
}

function note(text: string): void {
  const { id, data = [] } = JSON.parse(text) as { id?: string; data?: { id: string }[] };
  for (const job of [...(id === undefined ? [] : [id]), ...data.map((one) => one.id)]) accepted.add(job);
}

/** Sends `count` requests, a few at a time over persistent connections. */
async function throwAll(request: Arbitrary<FuzzRequest>, count: number): Promise<void> {
  const batch = fc.array(request, { minLength: AT_ONCE, maxLength: AT_ONCE });
  const check = fc.asyncProperty(batch, async (requests) => {
    const before = api.breaches.length;
    const faults = (await Promise.all(requests.map(tried))).flat();
    expect([...faults, ...api.breaches.slice(before)]).toEqual([]);
  });
  await fc.assert(check, { numRuns: count / AT_ONCE, endOnFailure: true });
}

describe('random requests get valid responses, and refused ones a problem that reveals no internals', () => {
  it('1,600 requests to all routes by all methods', () => throwAll(anyRequest(targets), 1600), PATIENCE_MS);
  it('1,200 orders as JSON', () => throwAll(orderRequest(targets), 1200), PATIENCE_MS);
  it('600 orders as forms', () => throwAll(formRequest(targets), 600), PATIENCE_MS);

  it('have reached every part of the API', () => {
    for (const status of [200, 202, 204, 400, 401, 404, 405, 413, 415, 422]) {
      expect([status, (statuses.get(status) ?? 0) > 0]).toEqual([status, true]);
    }
  });

  it('have caused no internal error and no response that differs from the document', () => {
    expect(api.logged.filter(({ level }) => level === 'error')).toEqual([]);
    expect(api.breaches).toEqual([]);
  });

  it('have created exactly the accepted jobs', async () => {
    const expected = [...accepted].filter((id) => !deleted.has(id)).sort();
    expect([...(await allJobs(api, KEY))].sort()).toEqual(expected);
  });

  it('have stored exactly the files of accepted jobs', async () => {
    const jobs = await Promise.all(
      [...accepted].map(
        async (id) =>
          (await (await api.get(`/jobs/${id}`, as(KEY))).json()) as { request?: { image?: { sha256: string } } },
      ),
    );
    const inputs = new Set(
      jobs.flatMap(({ request }) => (request?.image === undefined ? [] : [inputName(request.image.sha256)])),
    );
    const left = (await allFiles(api)).filter((file) => file.includes('/inputs/'));
    const names = new Set([...inputs].map((name) => name.split('/').at(-1)));
    for (const { name } of await allAssets()) names.add(name);
    expect(left.filter((file) => !names.has(file.split('/').at(-1)))).toEqual([]);
  });
});
