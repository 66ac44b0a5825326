import { randomUUID } from 'node:crypto';
import { PICTURE, until, withText } from '@comfy-fleet/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { drawing, inverting, startV2Stack, type V2Stack } from './v2-stack.js';

/*
 * What a program does that knows nothing but the specification, over plain HTTP: a file, a graph that names it by its
 * path or by reference, the stream of the job, and the picture.
 */

let v2: V2Stack;
beforeAll(async () => {
  v2 = await startV2Stack(2, 5);
});
afterAll(() => v2?.close());

interface Asset {
  readonly id: string;
  readonly url: string;
}

interface Job {
  readonly id: string;
  readonly status: string;
  readonly error: unknown;
  readonly outputs: readonly (Asset & { readonly node_id: string })[];
  readonly urls: { readonly self: string; readonly events: string; readonly cancel: string };
}

const NAME = 'gateway_input.png';
const ENDED = ['succeeded', 'failed', 'canceled', 'expired'];

const ask = (path: string, { key = 'anna', headers = {}, ...init }: RequestInit & { readonly key?: string } = {}) =>
  fetch(new URL(path, v2.stack.url), { ...init, headers: { Authorization: `Bearer ${key}`, ...headers } });

async function sent(data: Buffer, name: string, key = 'anna'): Promise<Asset> {
  const form = new FormData();
  form.append('content_type', 'image/png');
  form.append('file_path', name);
  form.append('file', new Blob([new Uint8Array(data)]), name);
  const answer = await ask('/api/v2/assets', { method: 'POST', body: form, key });
  expect([200, 201]).toContain(answer.status);
  return (await answer.json()) as Asset;
}

const order = (workflow: object, key = 'anna') =>
  ask('/api/v2/jobs', {
    method: 'POST',
    body: JSON.stringify({ workflow }),
    headers: { 'Content-Type': 'application/json' },
    key,
  });

async function ordered(workflow: object, key = 'anna'): Promise<Job> {
  const answer = await order(workflow, key);
  if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as Job;
}

const ended = ({ urls }: Job, key = 'anna') =>
  until('the job has ended', async () => {
    const job = (await (await ask(urls.self, { key })).json()) as Job;
    return ENDED.includes(job.status) && job;
  });

/** The events of a job to the end of its stream. */
async function streamed({ urls }: Job, key = 'anna') {
  const text = await (await ask(urls.events, { key })).text();
  return text
    .split('\n\n')
    .filter((block) => block.startsWith('event: '))
    .map((block) => {
      const [event = '', data = ''] = block.split('\n').map((line) => line.slice(line.indexOf(': ') + 2));
      return { event, data: JSON.parse(data) as Record<string, unknown> };
    });
}

const picture = Buffer.from(PICTURE, 'base64');
const sizeOf = (png: Buffer) => [png.readUInt32BE(16), png.readUInt32BE(20)];

it('keeps the same bytes of the same name as one asset', async () => {
  const first = await sent(picture, NAME);
  expect((await sent(picture, NAME)).id).toBe(first.id);
});

it('runs a graph that names its file by the path it was sent under', async () => {
  await sent(picture, NAME);
  const job = await ended(await ordered(inverting(NAME)));
  expect([job.status, job.error]).toEqual(['succeeded', null]);
  const output = Buffer.from(await (await ask(job.outputs[0]?.url ?? '')).arrayBuffer());
  expect(output.subarray(0, 8)).toEqual(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'));
  expect(sizeOf(output)).toEqual(sizeOf(picture));
});

it('streams a status at once, each output before the terminal status, and ends with that', async () => {
  await sent(picture, NAME);
  const job = await ordered(inverting(NAME));
  const events = await streamed(job);
  expect(events[0]?.event).toBe('status');
  expect(events.at(-1)).toMatchObject({ event: 'status', data: { status: 'succeeded' } });
  const told = events.filter(({ event }) => event === 'output').map(({ data }) => data.id);
  const now = (await (await ask(job.urls.self)).json()) as Job;
  expect([now.status, told]).toEqual(['succeeded', now.outputs.map(({ id }) => id)]);
  const kinds = new Set(events.map(({ event }) => event));
  expect([...kinds].filter((kind) => !['status', 'progress', 'preview', 'output'].includes(kind))).toEqual([]);
});

it('runs a graph with a reference to an asset, and one with a reference to what came out', async () => {
  const { id } = await sent(picture, NAME);
  const reference = (asset: string) => ({ __type: 'core/ASSET', info: { id: asset } });
  const first = await ended(await ordered(inverting(reference(id))));
  expect([first.status, first.outputs.length]).toEqual(['succeeded', 1]);
  const second = await ended(await ordered(inverting(reference(first.outputs[0]?.id ?? ''))));
  expect([second.status, second.error]).toEqual(['succeeded', null]);
});

it('stops a job under way, and tells who listens', async () => {
  const job = await ordered(drawing(5000, 1));
  const events = streamed(job);
  await until('it runs', async () => ((await (await ask(job.urls.self)).json()) as Job).status === 'running');
  const answer = await ask(job.urls.cancel, { method: 'POST' });
  expect(['canceling', 'canceled']).toContain(((await answer.json()) as Job).status);
  expect((await ended(job)).status).toBe('canceled');
  expect((await events).at(-1)).toMatchObject({ event: 'status', data: { status: 'canceled' } });
});

it('lets nothing cross from one key to another', async () => {
  const secret = withText(picture, randomUUID());
  const asset = await sent(secret, 'secret.png');
  const job = await ended(await ordered(inverting('secret.png')));
  const hash = (asset as Asset & { readonly hash: string }).hash;
  const { self, events, cancel } = job.urls;
  const output = `/api/v2/assets/${job.outputs[0]?.id}`;
  const paths = [self, `${self}/workflow`, events, `/api/v2/assets/${asset.id}`, output, `${output}/content`];
  for (const path of [...paths, `/api/v2/assets/${asset.id}/content`, `/api/v2/assets/by-hash/${hash}`]) {
    expect([path, (await ask(path, { key: 'bert' })).status]).toEqual([path, 404]);
    expect((await ask(path)).status).toBe(200);
  }
  expect((await ask(cancel, { key: 'bert', method: 'POST' })).status).toBe(404);
  expect((await ask(`/api/v2/assets/${asset.id}`, { key: 'bert', method: 'DELETE' })).status).toBe(404);
  expect((await order(inverting('secret.png'), 'bert')).status).toBe(422);
  expect((await order(inverting({ __type: 'core/ASSET', info: { id: asset.id } }), 'bert')).status).toBe(422);
  // The same name is another file for another key.
  await sent(picture, 'secret.png', 'bert');
  expect((await ended(await ordered(inverting('secret.png'), 'bert'), 'bert')).status).toBe('succeeded');
});
