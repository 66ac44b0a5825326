import { jobSchema } from '@comfy-fleet/contracts';
import { Errors } from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { type JobRecord, type JobSnapshot, presentJob } from '../src/index.js';
import { NO_PLACE } from '../src/record/record.js';
import { aFrame, aRequest } from './builders.js';

const ID = '0199f1f0-0000-7000-8000-000000000001';

function aSnapshot(record: Partial<JobRecord> = {}, ahead: number | null = null): JobSnapshot {
  return {
    ...NO_PLACE,
    ahead,
    lastEventId: '0-0',
    record: {
      id: ID,
      kind: 'text2img',
      lod: 'sketch',
      pool: 'default',
      key: 'anonymous',
      parent: null,
      callback: null,
      workflow: 'text2img',
      request: aRequest(),
      encoding: null,
      reusedFrom: null,
      status: 'queued',
      phase: 'waiting',
      createdAt: 1_760_000_000_000,
      startDeadline: 1_760_003_600_000,
      startedAt: null,
      finishedAt: null,
      progress: { fraction: 0, step: null, steps: null, node: null },
      outputs: [],
      error: null,
      cachedNodes: null,
      timings: null,
      instance: null,
      promptId: null,
      submissions: 0,
      attempts: 0,
      faultyAttempts: 0,
      orphanedMs: null,
      deaths: 0,
      kills: 0,
      refusals: 0,
      movedAt: null,
      ooms: 0,
      faults: [],
      retriedAfter: null,
      claim: 0,
      worker: null,
      comfyKey: null,
      traceparent: null,
      alias: null,
      client: null,
      hasOrigin: false,
      listing: {},
      ...record,
    },
  };
}

const RUNNING = {
  status: 'running',
  phase: 'executing',
  startedAt: 1_760_000_001_500,
  progress: { fraction: 0.5, step: 4, steps: 8, node: 'KSampler' },
  instance: 'w1/0',
  promptId: 'p',
  submissions: 1,
  attempts: 1,
  claim: 1,
  worker: 'w1',
  comfyKey: null,
  traceparent: null,
} as const;

const SUCCEEDED = {
  ...RUNNING,
  status: 'succeeded',
  phase: 'ended',
  finishedAt: 1_760_000_004_000,
  outputs: [aFrame(ID, 1), aFrame(ID, 2)],
  progress: { fraction: 0, step: null, steps: null, node: null },
} as const;

const FAILED = {
  ...RUNNING,
  status: 'failed',
  phase: 'ended',
  finishedAt: 1_760_000_004_000,
  error: { code: 'node_execution_error', detail: 'It failed.', nodeId: '3' },
} as const;

describe.each([
  ['queued', aSnapshot({}, 3)],
  ['running', aSnapshot(RUNNING)],
  ['succeeded', aSnapshot(SUCCEEDED)],
  ['failed', aSnapshot(FAILED)],
  ['expired', aSnapshot({ status: 'expired', phase: 'ended', finishedAt: 1_760_003_600_000 })],
  [
    'img2img',
    aSnapshot({
      kind: 'img2img',
      request: aRequest({
        image: { name: `${'cd'.repeat(32)}.png`, kind: 'image', width: 640, height: 480, source: 'x_1.png' },
      }),
    }),
  ],
])('a %s job', (_name, snapshot) => {
  it('is presented as the schema says, with exactly its fields', () => {
    const job = presentJob(snapshot);
    expect(Errors(jobSchema, job)).toEqual([]);
    expect(Object.keys(job).sort()).toEqual(Object.keys(jobSchema.properties).sort());
  });
});

it('shows how many jobs are before a queued job, and no start', () => {
  expect(presentJob(aSnapshot({}, 3))).toMatchObject({
    status: 'queued',
    created_at: '2025-10-09T08:53:20.000Z',
    started_at: null,
    finished_at: null,
    queue_position: 3,
    queue_ms: null,
    duration_ms: null,
    instance: null,
    attempts: 0,
    images: [],
    image_url: null,
    error: null,
    timings: null,
  });
});

it('shows the start, instance and progress of a running job', () => {
  expect(presentJob(aSnapshot(RUNNING))).toMatchObject({
    status: 'running',
    started_at: '2025-10-09T08:53:21.500Z',
    queue_position: null,
    queue_ms: 1500,
    duration_ms: null,
    instance: 'w1/0',
    attempts: 1,
    progress: { fraction: 0.5, step: 4, steps: 8, node: 'KSampler' },
  });
});

it('shows pictures, duration and full progress of a succeeded job', () => {
  const image = { width: 512, height: 320, seed: 42, content_type: 'image/png', bytes: 1234, sha256: 'ab'.repeat(32) };
  expect(presentJob(aSnapshot(SUCCEEDED))).toMatchObject({
    finished_at: '2025-10-09T08:53:24.000Z',
    duration_ms: 2500,
    progress: { fraction: 1, step: 8, steps: 8, node: null },
    image_url: `/images/${ID}_1.png`,
    outputs: [1, 2].map((n) => ({
      ...{ name: 'image', node_id: '7', kind: 'image', filename: `fox_0000${n}_.png`, width: 512, height: 320 },
      ...{ url: `/files/${ID}_${n}.png`, content_type: 'image/png', bytes: 1234, sha256: 'ab'.repeat(32) },
    })),
    images: [
      { image_url: `/images/${ID}_1.png`, ...image },
      { image_url: `/images/${ID}_2.png`, ...image },
    ],
  });
});

it('shows files of any kind and texts as outputs, and only pictures that every browser shows as images', () => {
  const about = { name: 'x', nodeId: '4', filename: 'a.b', bytes: 9, sha256: 'ab'.repeat(32) };
  const outputs = [
    { ...about, kind: 'video', file: `${ID}_1.mp4`, contentType: 'video/mp4', durationSeconds: 2.5 },
    { ...about, kind: 'image', file: `${ID}_2.svg`, contentType: 'image/svg+xml' },
    { ...about, kind: 'animation', file: `${ID}_3.webp`, contentType: 'image/webp', width: 8, height: 8 },
    { ...about, kind: 'text', file: `${ID}_4.txt`, contentType: 'text/plain', text: 'a fox' },
  ] as const;
  const job = presentJob(aSnapshot({ ...SUCCEEDED, outputs }));
  expect(Errors(jobSchema, job)).toEqual([]);
  expect(job.images.map((image) => image.image_url)).toEqual([`/images/${ID}_3.webp`]);
  expect(job.outputs.map(({ kind, url }) => [kind, url])).toEqual([
    ['video', `/files/${ID}_1.mp4`],
    ['image', `/files/${ID}_2.svg`],
    ['animation', `/files/${ID}_3.webp`],
    ['text', `/files/${ID}_4.txt`],
  ]);
  expect([job.outputs[0]?.duration_seconds, job.outputs[3]?.text]).toEqual([2.5, 'a fox']);
});

it('shows the error of a failed job with title and retryable from the catalogue', () => {
  const error = { code: 'node_execution_error', title: 'A node of the workflow failed', detail: 'It failed.' };
  expect(presentJob(aSnapshot(FAILED)).error).toEqual({ ...error, retryable: false, node_id: '3' });
});

it('shows every resolved parameter in snake_case, and the most used ones also at the top', () => {
  const request = aRequest({ metadata: { order: '7' }, priority: 2, count: 3 });
  const job = presentJob(aSnapshot({ request }));
  expect(job.request).toEqual({
    workflow: 'text2img',
    version: '',
    prompt: 'a lighthouse at dusk',
    negative_prompt: 'blurry',
    lod: 'sketch',
    steps: 8,
    cfg: 5,
    sampler: 'euler_ancestral',
    scheduler: 'normal',
    seed: 42,
    width: 512,
    height: 320,
    count: 3,
    checkpoint: 'sd_xl_base_1.0.safetensors',
    denoise: 1,
    priority: 2,
  });
  expect(job).toMatchObject({ steps: 8, cfg: 5, sampler: 'euler_ancestral', scheduler: 'normal', seed: 42 });
  expect(job.metadata).toEqual({ order: '7' });
});

it('shows the input picture of an img2img job', () => {
  const image = { name: `${'cd'.repeat(32)}.png`, kind: 'image', width: 640, height: 480 } as const;
  const { request } = presentJob(aSnapshot({ request: aRequest({ image }) }));
  expect(request.image).toEqual({ sha256: 'cd'.repeat(32), width: 640, height: 480 });
});

it.each([
  ['0', 0],
  ['9007199254740991', 9007199254740991],
  ['9007199254740993', '9007199254740993'],
  ['18446744073709551615', '18446744073709551615'],
])('writes the seed %s as %j everywhere', (seed, written) => {
  const job = presentJob(aSnapshot({ ...SUCCEEDED, request: aRequest({ seed }) }));
  expect([job.seed, job.request.seed, ...job.images.map((image) => image.seed)]).toEqual(Array(4).fill(written));
});

it.each([
  [undefined, ''],
  ['https://fleet.example.com', 'https://fleet.example.com'],
  ['https://example.com/fleet', 'https://example.com/fleet'],
])('makes URLs with the public URL %s before them', (publicUrl, root) => {
  const job = presentJob(aSnapshot(SUCCEEDED), { publicUrl });
  expect(job.urls).toEqual({
    self: `${root}/jobs/${ID}`,
    events: `${root}/jobs/${ID}/events`,
    cancel: `${root}/jobs/${ID}/cancel`,
  });
  expect(job.image_url).toBe(`${root}/images/${ID}_1.png`);
  expect(job.images[1]?.image_url).toBe(`${root}/images/${ID}_2.png`);
});

it('shows nothing that is only for operators', () => {
  const text = JSON.stringify(presentJob(aSnapshot(RUNNING)));
  for (const word of ['phase', 'turn', 'claim', 'prompt_id', 'promptId', 'worker', 'pool']) {
    expect(text).not.toContain(`"${word}"`);
  }
});
