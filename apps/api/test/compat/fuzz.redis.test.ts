import { until, withText } from '@comfy-fleet/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { facades } from '../../src/facades/facades.js';
import { aKey, as, startApi, type TestApi } from '../api.js';
import { finishedImage } from '../finished-image.js';
import { type FuzzClient, type FuzzRequest, fuzzClient } from '../fuzz/client.js';
import { plain } from '../pictures.js';
import { drawing, publishRealCatalogue } from '../runnable.js';
import { compatRequest } from './fuzz/requests.js';
import type { CompatTargets } from './fuzz/targets.js';
import { answerFaults, createOwners, type Owners } from './fuzz/whose.js';

const REQUESTS = 10_000;
/** A fixed seed, so that each run sends the same requests. */
const SEED = 20_261_127;
/** Requests sent at the same time, half of them with each key. */
const AT_ONCE = 250;
const PATIENCE_MS = 900_000;
/** Keys with their marker texts: anna and ben send random requests; carol only owns jobs and files. */
const MARKERS = new Map([
  ['anna', 'amber-anna'],
  ['ben', 'basalt-ben'],
  ['carol', 'coral-carol'],
]);
const NAMES = ['photo.png', 'sub/photo.png', 'coral-of-carol.png'];

/** A short history keeps responses small without testing less. */
const OVERRIDES = {
  queue: { maxOpenJobs: 1_000_000 },
  http: { maxJsonBytes: 100_000 },
  compat: { comfyuiMaxHistory: 20 },
};

/** Ids of a key's jobs and assets, and the hash of its asset. */
interface Belongings {
  readonly made: string;
  readonly done: string;
  readonly open: string;
  readonly asset: string;
  readonly hash: string;
}

let api: TestApi;
let client: FuzzClient;
let owners: Owners;
let carols: Belongings;
let targets: CompatTargets[];
/** Counts responses by API and status. */
const statuses = new Map<string, number>();

beforeAll(async () => {
  const limits = { requests_per_minute: 1_000_000, jobs_waiting: 1_000_000, upload_bytes_per_day: 1_000_000_000_000 };
  const keys = [...MARKERS.keys()].map((id) => aKey(id, { scopes: ['jobs', 'graphs'], limits }));
  api = await startApi(inject('redisUrl'), { keys, overrides: OVERRIDES });
  await publishRealCatalogue(api);
  client = fuzzClient(api, 60);
  owners = createOwners(MARKERS);
  const png = await plain(16, 16, 'red').png().toBuffer();
  for (let n = 0; n < 2; n++) void endJobs(png).catch(() => undefined);
  const things = new Map<string, Belongings>();
  for (const key of MARKERS.keys()) things.set(key, await equip(key, png));
  carols = things.get('carol') as Belongings;
  const all = [...things.values()];
  const never = '0198b5c0-0000-7000-8000-000000000000';
  const routes = facades(api.deps).flatMap((facade) => facade.routes);
  targets = ['anna', 'ben'].map((key, index) => ({
    ...{ routes, key, marker: MARKERS.get(key) ?? '', png, names: NAMES },
    ids: [never, ...all.flatMap(({ made, done, open, asset }) => [made, done, open, asset])],
    hashes: all.map(({ hash }) => hash),
    promptIds: [0, 1, 2].map((n) => `${index}0000000-0000-4000-8000-00000000000${n}`),
  }));
});
afterAll(async () => {
  client.close();
  await api.close();
});

/** Finishes every job as soon as it exists, except the one of the client `never`. */
async function endJobs(png: Buffer): Promise<void> {
  for (;;) {
    const claim = await api.claim();
    const { id, key, request, client: page } = claim.record;
    if (page === 'never') continue;
    const picture = finishedImage(id);
    const content = withText(png, MARKERS.get(key) ?? '');
    const outputs = Array.from({ length: Number(request.inputs.count ?? 1) }, (_, index) =>
      finishedImage(id, index + 1),
    );
    for (const { file } of [picture, ...outputs])
      await api.frames.put(file, [content], { signal: AbortSignal.timeout(60_000) });
    await claim.finish({ status: 'succeeded', outputs: outputs.length === 0 ? [picture] : outputs });
  }
}

/** Creates jobs, pictures and files of every kind for a key. */
async function equip(key: string, png: Buffer): Promise<Belongings> {
  const marker = MARKERS.get(key) ?? '';
  const { headers } = as(key);
  const graph = drawing();
  Object.assign(graph['3']?.inputs ?? {}, { text: marker });
  const body = async <T>(answer: Response) => {
    if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as T;
  };
  const { id: made } = await body<{ id: string }>(await api.post('/api/v2/jobs', { workflow: graph }, { headers }));
  const prompt = async (client_id: string) => {
    const answer = await api.post('/comfyui/prompt', { prompt: graph, client_id }, { headers });
    return (await body<{ prompt_id: string }>(answer)).prompt_id;
  };
  const [done, open] = [await prompt('page'), await prompt(key === 'carol' ? 'never' : 'page')];
  await body(await api.post('/v1/images/generations', { prompt: marker, n: 2 }, { headers }));
  const content = new Blob([new Uint8Array(withText(png, marker))]);
  const upload = async (path: string, field: string, name: string) => {
    const form = new FormData();
    form.set('content_type', 'image/png');
    form.set('file_path', name);
    form.set(field, content, name);
    return api.get(path, { method: 'POST', body: form, headers });
  };
  await body(await upload('/comfyui/upload/image', 'image', key === 'carol' ? 'coral-of-carol.png' : 'photo.png'));
  const hasEnded = async () => (await api.ledger.jobs.get(done))?.record.status === 'succeeded';
  await until('the prompt has ended', hasEnded);
  const asset = await body<{ id: string; hash: string }>(await upload('/api/v2/assets', 'file', 'sub/photo.png'));
  return { made, done, open, asset: asset.id, hash: asset.hash };
}

async function sendAndCheck(key: string, request: FuzzRequest): Promise<string[]> {
  const answer = await client.send(request);
  const api = /^\/(comfyui|api|v1)/.exec(request.path)?.[1];
  statuses.set(`${api} ${answer.status}`, (statuses.get(`${api} ${answer.status}`) ?? 0) + 1);
  const faults = [...answerFaults(request.path, request.method, answer), ...owners.crossing(key, request, answer)];
  return faults.map((fault) => `${key}: ${request.method} ${request.path.slice(0, 300)}: ${fault}`);
}

describe(`random requests of two keys to the compatible APIs (seed ${SEED})`, () => {
  it(
    `get ${REQUESTS} responses without internal errors and without data of other keys`,
    async () => {
      const [ofAnna, ofBen] = targets.map((each) =>
        fc.array(compatRequest(each), { minLength: AT_ONCE / 2, maxLength: AT_ONCE / 2 }),
      );
      if (ofAnna === undefined || ofBen === undefined) throw new Error('two keys are needed');
      const check = fc.asyncProperty(ofAnna, ofBen, async (annas, bens) => {
        const all = annas.flatMap((request, index) => [
          sendAndCheck('anna', request),
          ...bens.slice(index, index + 1).map((other) => sendAndCheck('ben', other)),
        ]);
        expect((await Promise.all(all)).flat()).toEqual([]);
      });
      await fc.assert(check, { seed: SEED, numRuns: REQUESTS / AT_ONCE, endOnFailure: true });
    },
    PATIENCE_MS,
  );

  it('reached every API with every kind of response', () => {
    const reached = ['comfyui', 'api', 'v1'].flatMap((name) =>
      [200, 400, 401, 404].map((status) => `${name} ${status}`),
    );
    for (const one of [...reached, 'api 201', 'api 409', 'api 422'])
      expect([one, statuses.has(one)]).toEqual([one, true]);
  });

  it('logged no errors', () => {
    expect(api.logged.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('left the jobs and files of a third key unchanged', async () => {
    const get = (path: string) => api.get(path, as('carol'));
    const queue = (await (await get('/comfyui/queue')).json()) as {
      queue_running: unknown[][];
      queue_pending: unknown[][];
    };
    expect([...queue.queue_running, ...queue.queue_pending].map(([, id]) => id)).toEqual([carols.open]);
    const history = (await (await get('/comfyui/history')).json()) as object;
    expect(Object.keys(history)).toContain(carols.done);
    for (const path of [
      `/api/v2/assets/${carols.asset}/content`,
      '/comfyui/view?filename=coral-of-carol.png&type=input',
      `/comfyui/view?filename=${carols.done}_1.png&type=output`,
    ]) {
      const answer = await get(path);
      expect([path, answer.status, (await answer.text()).includes('coral-carol')]).toEqual([path, 200, true]);
    }
  });
});
