import { execFile } from 'node:child_process';
import { access, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import {
  createGpus,
  type Gpus,
  type Simulator,
  startStack,
  startWebhookSink,
  type TestStack,
  until,
} from '@comfy-fleet/testing';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { Fleet, FleetError, JobEndedError, type JobEvent, verifyWebhook } from '../src/index.js';

const REQUEST = { prompt: 'a lighthouse in a storm', lod: 'sketch', width: 64, height: 64 } as const;
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);
const MOST_BYTES = 12 * 1024;

let gpus: Gpus;
let simulator: Simulator;
let stack: TestStack;
let fleet: Fleet;

beforeAll(async () => {
  gpus = await createGpus();
  simulator = await gpus.start(2);
  stack = await startStack({ redisUrl: inject('redisUrl'), env: { WEBHOOK_ALLOW: '127.0.0.0/8' } });
  await stack.startDispatcher();
  await stack.startWorker('gpu', [simulator.url]);
  fleet = new Fleet({ url: stack.url });
});
afterEach(() => simulator.faults.remove());
afterAll(async () => {
  await stack.close();
  await gpus.close();
});

describe('the client against a running fleet', () => {
  it('makes a picture and downloads it at full size and smaller', async () => {
    const job = await fleet.generate({ ...REQUEST, seed: '18446744073709551615' });
    expect(job.status).not.toBe('failed');
    await job.wait();
    expect(job.snapshot.seed).toBe('18446744073709551615');
    const [output] = job.outputs;
    const picture = await output?.download();
    expect([picture?.type, picture?.size]).toEqual(['image/png', output?.bytes]);
    expect((await fetch(output?.href ?? '')).status).toBe(200);
    expect((await output?.download({ width: 64, format: 'webp' }))?.type).toBe('image/webp');
    const chunks = (await output?.stream()) ?? new ReadableStream();
    expect(await new Response(chunks).arrayBuffer()).toEqual(await picture?.arrayBuffer());
  });

  it('follows the events of a job until its end', async () => {
    const events: JobEvent[] = [];
    for await (const event of await fleet.generate(REQUEST)) events.push(event);
    expect(events[0]).toMatchObject({ type: 'status' });
    expect(events.find(({ type }) => type === 'output')).toBeDefined();
    expect(events.at(-1)).toMatchObject({ type: 'status', data: { status: 'succeeded' } });
  });

  it('cancels a job, and wait() rejects with how it ended', async () => {
    simulator.faults.add({ kind: 'hang' });
    const job = await fleet.generate(REQUEST);
    await job.cancel();
    const error = await job.wait().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(JobEndedError);
    expect(error).toMatchObject({ code: 'canceled', job: { id: job.id, status: 'canceled' } });
  });

  it('uses files in img2img, refines a picture, and runs a workflow with an asset', async () => {
    const first = await (await fleet.generate(REQUEST)).wait();
    const picture = (await first.outputs[0]?.download()) as Blob;
    const second = await (await fleet.img2img({ ...REQUEST, image: picture, metadata: { order: '7' } })).wait();
    expect(second.snapshot).toMatchObject({ kind: 'img2img', metadata: { order: '7' } });
    const once = { idempotencyKey: 'of-my-own' };
    const refined = await (await first.refine({ lod: 'mid' }, once)).wait();
    expect((await first.refine({ lod: 'mid' }, once)).id).toBe(refined.id);
    expect(refined.snapshot.parent).toMatchObject({ id: first.id, relation: 'refine' });
    const inputs = { prompt: 'the same at dawn' };
    const third = await (await fleet.run('img2img', inputs, { files: { image: picture }, lod: 'sketch' })).wait();
    expect(third.outputs.length).toBeGreaterThan(0);
  });

  it('uploads, downloads and deletes assets', async () => {
    const asset = await fleet.assets.upload(new Blob(['a note']), { filename: 'note.txt' });
    expect((await fleet.assets.get(asset.id)).filename).toBe('note.txt');
    expect(await (await fleet.assets.download(asset.id)).text()).toBe('a note');
    await fleet.assets.delete(asset.id);
    await expect(fleet.assets.get(asset.id)).rejects.toMatchObject({ code: 'asset_not_found', status: 404 });
  });

  it('lists jobs newest first, also those of a batch, and gets one by id', async () => {
    const ids = await fleet.batch([REQUEST, REQUEST].map((each) => ({ ...each, metadata: { shelf: 'low' } })));
    const found: string[] = [];
    for await (const job of fleet.jobs.list({ metadata: { shelf: 'low' } })) found.push(job.id);
    expect(found).toEqual([...ids].sort().reverse());
    expect((await fleet.jobs.get(ids[0] as string)).id).toBe(ids[0]);
  });

  it('creates one job from a request that is sent twice with the same key', async () => {
    const options = { idempotencyKey: crypto.randomUUID() };
    const [one, two] = await Promise.all([fleet.generate(REQUEST, options), fleet.generate(REQUEST, options)]);
    expect(one.id).toBe(two.id);
  });

  it('reports an invalid request with a code and the field', async () => {
    const error = await fleet.generate({ ...REQUEST, steps: 100_000 }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(FleetError);
    expect(error).toMatchObject({ code: 'validation_failed', status: 422, errors: [{ pointer: '/steps' }] });
  });

  it('reads workflows, levels of detail, usage, keys and status', async () => {
    expect((await fleet.workflows()).map(({ name }) => name)).toContain('text2img');
    expect((await fleet.workflow('text2img')).name).toBe('text2img');
    expect((await fleet.lods()).data.length).toBeGreaterThan(0);
    expect((await fleet.usage({ days: 1 })).data).toHaveLength(1);
    expect(await fleet.me()).toMatchObject({ key: null, limits: { jobs_waiting: null } });
    const used = await fleet.usageOfKeys({ days: 1 });
    expect(used.data.map(({ key }) => key)).toEqual(['anonymous']);
    expect((await fleet.usage({ days: 1, key: 'anonymous' })).data[0]?.jobs).toBe(used.data[0]?.jobs);
    expect((await fleet.keys()).data).toEqual([]);
    await expect.poll(async () => (await fleet.status()).workers.map(({ name }) => name)).toEqual(['gpu']);
  });

  it('reads the timeline, history and alerts of the fleet', async () => {
    simulator.set({ modelLoadMs: 1000 });
    const checkpoint = simulator.settings.checkpoints[1] as string;
    const done = await (await fleet.generate({ ...REQUEST, checkpoint })).wait();
    simulator.set({ modelLoadMs: 0 });
    simulator.faults.add({ kind: 'hang' });
    const running = await fleet.generate(REQUEST);
    for await (const { type, data } of running) if (type === 'status' && data.status === 'running') break;
    const { instances } = await fleet.timeline({ minutes: 60 });
    expect(instances.map(({ instance }) => instance)).toEqual(['gpu/1']);
    const stretches = instances[0]?.stretches ?? [];
    const common = { workflow: 'text2img', lod: 'sketch', key: 'anonymous', jobs: 1 };
    expect(stretches.at(-1)).toMatchObject({ ...common, job_id: running.id, outcome: 'running' });
    const last = stretches.find(({ job_id }) => job_id === done.id);
    expect(last).toMatchObject({ ...common, outcome: 'completed' });
    expect(last?.loading_seconds).toBeGreaterThan(0);
    await running.cancel();
    await running.wait().catch(() => undefined);
    const after = (await fleet.timeline()).instances[0]?.stretches.at(-1);
    expect(after).toMatchObject({ job_id: running.id, outcome: 'canceled' });
    const samples = await until('a sample', async () => {
      const history = await fleet.history({ minutes: 60 });
      return history.samples.length > 0 && history.samples;
    });
    expect(samples[0]).toMatchObject({ waiting: expect.any(Number), instances_up: expect.any(Number) });
    await until('they are judged', async () => (await fleet.alerts()).judged_at);
  });

  it('pauses the fleet, drains an instance, and resumes both', async () => {
    expect((await fleet.halts.pause()).paused).not.toBeNull();
    expect((await fleet.halts.drain('gpu/1')).instances).toMatchObject([{ name: 'gpu/1' }]);
    expect((await fleet.halts.get()).paused).not.toBeNull();
    await fleet.halts.resumeInstance('gpu/1');
    expect(await fleet.halts.resume()).toEqual({ paused: null, pools: [], instances: [] });
  });

  it('verifies the webhook of a job', async () => {
    const sink = await startWebhookSink();
    const job = await fleet.generate({ ...REQUEST, webhook: { url: sink.url, secret: SECRET } });
    const [webhook] = await sink.got(1);
    const message = await verifyWebhook(SECRET, webhook?.headers ?? {}, webhook?.body ?? '');
    expect(message).toMatchObject({ type: 'job.succeeded', data: { id: job.id } });
    await sink.close();
  });
});

it('can be installed from a checkout, with its types, and used as a package', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'client-'));
  await run('npm', ['pack', '--pack-destination', dir], { cwd: PACKAGE });
  const { version } = JSON.parse(await readFile(join(PACKAGE, 'package.json'), 'utf8'));
  await writeFile(join(dir, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', `./comfy-fleet-client-${version}.tgz`], {
    cwd: dir,
  });
  await access(join(dir, 'node_modules/@comfy-fleet/client/dist/index.d.ts'));
  expect(await readdir(join(dir, 'node_modules/@comfy-fleet/client'))).toContain('README.md');
  const script = `
    import { Fleet } from '@comfy-fleet/client';
    const job = await new Fleet({ url: process.argv[2] }).generate({ prompt: 'a red fox', lod: 'sketch', width: 64, height: 64 });
    await job.wait();
    console.log(job.status);
  `;
  await writeFile(join(dir, 'use.mjs'), script);
  expect((await run(process.execPath, ['use.mjs', stack.url], { cwd: dir })).stdout).toBe('succeeded\n');
});

it('is small, and needs nothing from Node', async () => {
  const { outputFiles } = await build({
    entryPoints: [join(PACKAGE, 'src/index.ts')],
    bundle: true,
    minify: true,
    platform: 'browser',
    format: 'esm',
    write: false,
  });
  expect(gzipSync(outputFiles[0]?.contents ?? '').length).toBeLessThan(MOST_BYTES);
});
