import { newId } from '@comfy-fleet/contracts';
import { PICTURE, until } from '@comfy-fleet/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { resultOf, startSdk, withSdk } from './sdk.js';
import { drawing, inverting, startV2Stack, type V2Stack } from './v2-stack.js';

let v2: V2Stack;
const anna = () => ({ url: v2.stack.url, key: 'anna' });

beforeAll(async () => {
  v2 = await startV2Stack(3, 20);
});
afterAll(() => v2?.close());

it('runs a graph with an asset in it, sends the same file once, and fetches what came out', async () => {
  interface Result {
    readonly asset: { readonly id: string };
    readonly output: string;
    readonly about: { readonly size: number };
    readonly jobOf: { readonly output: string; readonly asset: string; readonly job: string };
    readonly download: string;
  }
  const given = { graph: inverting(), node: '1', input: 'image', picture: PICTURE, filename: 'photo.png' };
  const result = await withSdk<Result>('asset', anna(), given);
  const { asset, about, jobOf } = result;
  expect(result).toMatchObject({
    status: 'succeeded',
    asset: { createdNew: true },
    again: { id: asset.id, createdNew: false },
    part: 'PNG',
    about: { nodeId: '3', type: 'image', contentType: 'image/png' },
    back: { reference: { __type: 'core/ASSET', info: { id: asset.id, file_path: 'photo.png' } }, format: 'api' },
  });
  expect(jobOf).toEqual({ job: jobOf.job, output: jobOf.job, asset: jobOf.job });
  const bytes = Buffer.from(result.output, 'base64');
  expect(bytes.length).toBe(about.size);
  const download = await fetch(result.download, { headers: { Authorization: 'Bearer anna' } });
  expect(Buffer.from(await download.arrayBuffer())).toEqual(bytes);
});

it('follows a job live, with each output before the end', async () => {
  interface Followed {
    readonly status: string;
    readonly outputs: readonly string[];
    readonly events: readonly { kind: string; status?: string; output?: string; nodesTotal?: number; value?: number }[];
  }
  const paused = await fetch(`${v2.stack.url}/admin/pause`, { method: 'POST', headers: { 'X-API-Key': 'anna' } });
  expect(paused.status).toBe(200);
  const { events, status, outputs } = await withSdk<Followed>('events', anna(), { graph: drawing(20, 1) });
  expect([status, events.at(-1)]).toMatchObject(['succeeded', { kind: 'statusChange', status: 'succeeded' }]);
  const told = events.filter(({ kind }) => kind === 'outputReady').map(({ output }) => output);
  expect([told, outputs.length]).toEqual([outputs, 1]);
  expect(events.some(({ kind, nodesTotal }) => kind === 'progress' && nodesTotal === 6)).toBe(true);
  const statuses = events.flatMap(({ kind, status: now }) => (kind === 'statusChange' ? [now] : []));
  expect(statuses.slice(-2)).toEqual(['running', 'succeeded']);
});

it('cancels a job that runs, and one that has ended without harm', async () => {
  const result = await withSdk('cancel', anna(), { graph: drawing(2000, 2) });
  expect(result).toMatchObject({ ended: 'canceled', after: 'canceled', failure: { name: 'JobFailed' } });
  expect(['canceling', 'canceled']).toContain((result as { asked: string }).asked);
});

it('tells what is wrong by the errors that the SDK has for it', async () => {
  const given = { graph: drawing(1, 3), ghost: newId(), picture: PICTURE };
  expect(await withSdk('errors', anna(), given)).toMatchObject({
    reused: { name: 'IdempotencyKeyReuse', status: 422 },
    editor: { name: 'WorkflowFormatUi' },
    editorAtServer: { name: 'WorkflowFormatUi', status: 422 },
    strange: { name: 'InvalidWorkflow', status: 422, details: { node_errors: {} } },
    missing: { name: 'MissingAsset', status: 422 },
    job: { name: 'NotFound', status: 404 },
    asset: { name: 'NotFound', status: 404 },
    blob: { name: 'BlobNotFound', status: 404 },
    mismatch: { name: 'HashMismatch', status: 409 },
    stranger: { name: 'Unauthorized', status: 401 },
  });
});

it('answers in the shapes of the specification', async () => {
  expect(await withSdk('shapes', anna(), { graph: drawing(5, 4), picture: PICTURE })).toEqual([]);
});

it('ends every job well when an instance is killed under them', async () => {
  interface Ended {
    readonly status: string;
    readonly error: unknown;
    readonly seen: readonly string[];
    readonly sizes: readonly number[];
    readonly told: readonly number[];
  }
  const graphs = Array.from({ length: 12 }, (_, n) => drawing(100, 100 + n));
  const sdk = await startSdk('many', anna(), { graphs });
  // Stop any instance that is busy. Jobs prefer an instance that holds their model, so a particular one might get none.
  const busy = await until('an instance is at work', async () => {
    const answer = await fetch(`${v2.stack.url}/jobs?status=running`, { headers: { 'X-API-Key': 'anna' } });
    const { data } = (await answer.json()) as { data: readonly { instance: string | null }[] };
    return data.find(({ instance }) => instance !== null)?.instance;
  });
  const [, worker] = /^w(\d+)\//.exec(busy) ?? [];
  await v2.simulators[Number(worker) - 1]?.stop('SIGKILL');
  const jobs = await resultOf<readonly Ended[]>(sdk);
  expect(jobs).toHaveLength(12);
  for (const { status, error, seen, sizes, told } of jobs) {
    expect([status, error]).toEqual(['succeeded', null]);
    expect(seen.filter((kind) => kind === 'outputReady')).toHaveLength(1);
    expect(seen.at(-1)).toBe('succeeded');
    expect(sizes).toEqual(told);
  }
});
