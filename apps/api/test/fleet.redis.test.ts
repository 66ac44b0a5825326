import type { Abilities, FleetStatus, Health } from '@comfy-fleet/contracts';
import { fleetStatusSchema } from '@comfy-fleet/contracts';
import { catalogueWith } from '@comfy-fleet/testing';
import { Ajv } from 'ajv';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { anInstance, aWorker } from './announcements.js';
import { problemOf, startApi, type TestApi } from './api.js';

let api: TestApi;
beforeEach(async () => {
  api = await startApi(inject('redisUrl'));
});
afterEach(() => api.close());

const FULL: Abilities = {
  CheckpointLoaderSimple: { ckpt_name: ['sd_xl_base_1.0.safetensors', 'fox.safetensors'] },
  CLIPTextEncode: {},
  EmptyLatentImage: {},
  ImageScale: { upscale_method: ['lanczos', 'bilinear'], crop: ['disabled', 'center'] },
  KSampler: { sampler_name: ['euler_ancestral', 'dpmpp_2m'], scheduler: ['normal', 'karras'] },
  LoadImage: {},
  RepeatLatentBatch: {},
  SaveImage: {},
  VAEDecode: {},
  VAEEncode: {},
};
const publish = (instance: string, abilities: Abilities, ageMs = 0) =>
  api.worker.abilities.publish(['default'], { instance, seenAt: Date.now() - ageMs, ...catalogueWith(abilities) });
const validStatus = new Ajv({ validateFormats: false }).compile(fleetStatusSchema);
const status = async (): Promise<FleetStatus> => {
  const body = (await (await api.get('/fleet')).json()) as FleetStatus;
  expect(validStatus(body), JSON.stringify(validStatus.errors)).toBe(true);
  return body;
};

describe('GET /fleet', () => {
  it('shows what each instance is doing, since when, and what it has done', async () => {
    const now = Date.now();
    const busy = anInstance({
      running: { job: 'a', since: now },
      waiting: ['b'],
      collecting: ['c'],
      busyShare: 0.75,
      done: 12,
      failed: 1,
      checkpoint: 'fox.safetensors',
      models: ['fox.safetensors', 'soft-light.safetensors'],
      encodeAhead: { state: 'on', savesMs: 4130, text: 'saves 4.1 s per job' },
    });
    await api.worker.presence.announce(aWorker({ instances: [busy] }));
    const { workers, notes } = await status();
    expect(workers).toMatchObject([
      {
        name: 'gpu-1',
        pools: ['default'],
        draining: false,
        storage_fault: null,
        instances: [
          {
            name: 'gpu-1/1',
            state: 'up',
            vram_bytes: 24 * 1024 ** 3,
            running: { job: 'a', since: new Date(now).toISOString() },
            waiting: ['b'],
            collecting: ['c'],
            busy_share: 0.75,
            jobs_done: 12,
            jobs_failed: 1,
            checkpoint: 'fox.safetensors',
            models: ['fox.safetensors', 'soft-light.safetensors'],
            encode_ahead: { state: 'on', saves_seconds_per_job: 4.1, why: null, text: 'saves 4.1 s per job' },
          },
        ],
      },
    ]);
    expect(notes).toEqual([]);
  });

  it('says which jobs an instance does not get, and until when', async () => {
    const until = Date.now() + 600_000;
    const rest = { until, count: 1, code: 'model_unreadable', error: 'A model file could not be read.' } as const;
    const part = { ...rest, scope: { workflow: 'text2img', checkpoint: 'fox.safetensors', key: 'a' } };
    const instances = [
      anInstance({ state: 'resting', reason: 'it fails', rests: [{ ...rest, scope: {} }] }),
      anInstance({ name: 'gpu-1/2', rests: [part] }),
      anInstance({ name: 'gpu-1/3' }),
    ];
    await api.worker.presence.announce(aWorker({ instances }));
    const { workers, notes } = await status();
    const shown = { until: new Date(until).toISOString(), code: rest.code, error: rest.error };
    expect(workers[0]?.instances.map(({ rests }) => rests)).toEqual([
      [{ workflow: null, checkpoint: null, one_key: false, ...shown }],
      [{ workflow: 'text2img', checkpoint: 'fox.safetensors', one_key: true, ...shown }],
      [],
    ]);
    const when = `until it is tried with one at ${shown.until}, after a failure: ${rest.error}`;
    const scope = 'of the workflow text2img with the checkpoint fox.safetensors of one API key';
    expect(notes).toEqual([`gpu-1/1 gets no job ${when}`, `gpu-1/2 gets no job ${scope} ${when}`]);
    const { status: health, reasons } = (await (await api.get('/health')).json()) as Health;
    expect(health).toBe('degraded');
    expect(reasons).toContain(`gpu-1/2 gets no job ${scope} ${when}`);
    expect(reasons).toContain('ComfyUI gpu-1/1 is resting: it fails');
  });

  it('shows the GPU time of each key, and how long its oldest job has waited', async () => {
    await api.accepted();
    const claim = await api.claim();
    await claim.finish({ status: 'succeeded', outputs: [], executedMs: 30_000 });
    await api.accepted();
    const { shares } = await status();
    expect(shares).toEqual([
      {
        key: 'anonymous',
        weight: 1,
        gpu_seconds_minute: expect.any(Number),
        gpu_seconds_hour: 30,
        share_minute: expect.any(Number),
        share_hour: 1,
        fair_share: 1,
        waiting: 1,
        oldest_wait_seconds: expect.any(Number),
      },
    ]);
  });

  it('shows which models unclaimed jobs wait for, and which instances hold them', async () => {
    for (const sampler of ['euler', 'dpmpp_2m']) await api.accepted({ checkpoint: 'fox.safetensors', sampler });
    await api.accepted({ checkpoint: 'cat.safetensors' });
    const instances = [anInstance({ models: ['fox.safetensors'] }), anInstance({ name: 'gpu-1/2' })];
    await api.worker.presence.announce(aWorker({ instances }));
    const waiting = async () => (await status()).pools[0]?.waiting_for_models;
    const oldest_wait_seconds = expect.any(Number);
    const fox = { workflow: 'text2img', models: ['fox.safetensors'], oldest_wait_seconds, held_by: ['gpu-1/1'] };
    const cat = { workflow: 'text2img', models: ['cat.safetensors'], jobs: 1, oldest_wait_seconds, held_by: [] };
    expect(await waiting()).toEqual([{ ...fox, jobs: 2 }, cat]);
    await api.claim();
    expect(await waiting()).toHaveLength(2);
    expect((await waiting())?.reduce((sum, { jobs }) => sum + jobs, 0)).toBe(2);
  });

  it('notes that nothing deletes files, and that no instance serves a pool with jobs', async () => {
    await api.accepted();
    const down = anInstance({ state: 'down', cleansOutputs: false, cleansInputs: false });
    await api.worker.presence.announce(aWorker({ instances: [down] }));
    expect((await status()).notes).toEqual([
      'The pool default has 1 unfinished job but no instance that is up and takes jobs.',
      expect.stringContaining('Nothing deletes the pictures in the output folder of gpu-1/1: set COMFYUI_OUTPUT_DIRS'),
      expect.stringContaining('Nothing deletes the input pictures of gpu-1/1: set COMFYUI_INPUT_DIRS'),
    ]);
  });
});

describe('a request that no known instance can run', () => {
  it('is refused with the available checkpoints, samplers and schedulers', async () => {
    await publish('gpu-1/1', FULL);
    const body = { prompt: 'a fox', checkpoint: 'wolf.safetensors', sampler: 'eular', scheduler: 'simple' };
    const answer = await api.post('/generate', body);
    expect(answer.status).toBe(422);
    const { code, errors } = await problemOf(answer);
    expect(code).toBe('no_able_instance');
    const named = '"wolf.safetensors" is on no instance of the pool default';
    expect(errors).toEqual([
      { pointer: '/checkpoint', detail: `${named}; there is sd_xl_base_1.0.safetensors, fox.safetensors` },
      { pointer: '/sampler', detail: expect.stringMatching(/there is euler_ancestral, dpmpp_2m$/) },
      { pointer: '/scheduler', detail: expect.stringMatching(/there is normal, karras$/) },
    ]);
  });

  it('is refused when a node of the workflow is missing', async () => {
    const { SaveImage: _, ...rest } = FULL;
    await publish('gpu-1/1', rest);
    const { errors } = await problemOf(await api.post('/generate', { prompt: 'a fox' }));
    const detail = 'the workflow text2img needs the node SaveImage, which no instance of the pool default has';
    expect(errors).toEqual([{ pointer: '', detail }]);
  });

  it('is accepted when one of several instances can run it, when none is known, and when the only catalogue is a day old', async () => {
    const body = { checkpoint: 'wolf.safetensors' };
    await api.accepted(body);
    await publish('gpu-1/1', FULL, 25 * 3_600_000);
    await api.accepted(body);
    await publish('gpu-1/2', { ...FULL, CheckpointLoaderSimple: { ckpt_name: ['wolf.safetensors'] } });
    await api.accepted(body);
  });
});

describe('eta_seconds', () => {
  /** Executes a sketch in `ms`. */
  const execute = async (ms: number) => {
    const { id } = await api.accepted({ lod: 'sketch' });
    const claim = await api.claim();
    await claim.submit('11111111-1111-7111-8111-111111111111', 'gpu-1/1');
    await claim.start('11111111-1111-7111-8111-111111111111');
    await claim.finish({ status: 'succeeded', outputs: [], executedMs: ms });
    expect((await api.job(id)).eta_seconds).toBeNull();
  };

  it('is null until execution times are known, then grows with the place in the queue, and is null for jobs that wait for something else', async () => {
    await api.worker.presence.announce(aWorker());
    expect((await api.accepted({ lod: 'sketch' })).eta_seconds).toBeNull();
    const first = await api.claim();
    await first.finish({ status: 'canceled' });
    await execute(300);
    const ids: string[] = [];
    for (let n = 0; n < 12; n++) ids.push((await api.accepted({ lod: 'sketch' })).id);
    const etas = async () => Promise.all(ids.map(async (id) => (await api.job(id)).eta_seconds));
    await expect.poll(etas).not.toContain(null);
    const found = (await etas()) as number[];
    expect(found).toEqual([...found].sort((a, b) => a - b));
    // 12 × 0.3 s, plus any delay of the test machine.
    expect(found[0]).toBeLessThan(found[11] as number);
    expect(found[11]).toBeGreaterThanOrEqual(4);
    expect((await status()).pools[0]?.backlog_seconds).toBeGreaterThanOrEqual(3.6);
    await api.worker.presence.announce(aWorker({ storeFault: { reason: 'the disk is full', since: 1 } }));
    await expect.poll(etas).toEqual(ids.map(() => null));
  });
});
