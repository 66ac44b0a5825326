import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { type Job, jobSchema, type Problem, problemSchema } from '../src/index.js';

const ajv = new Ajv({ allErrors: true, strict: false, validateFormats: false });
const validJob = ajv.compile(jobSchema);
const validProblem = ajv.compile(problemSchema);

const job: Job = {
  id: '01a21244-7dd0-761c-8b5e-8c1a619a8ac6',
  kind: 'text2img',
  lod: 'mid',
  status: 'queued',
  created_at: '2026-11-25T10:00:00.000Z',
  started_at: null,
  finished_at: null,
  start_deadline: '2026-11-26T10:00:00.000Z',
  progress: { fraction: 0, step: null, steps: null, node: null },
  queue_position: 3,
  eta_seconds: 12,
  waiting_for: { code: 'turn', detail: '3 jobs come before it.' },
  request: {
    workflow: 'text2img',
    version: 'ab'.repeat(32),
    prompt: 'a fox',
    negative_prompt: '',
    lod: 'mid',
    steps: 18,
    cfg: 6.5,
    sampler: 'euler_ancestral',
    scheduler: 'normal',
    seed: '18446744073709551615',
    width: 768,
    height: 480,
    count: 1,
    checkpoint: 'sd_xl_base_1.0.safetensors',
    denoise: 1,
    priority: 0,
  },
  outputs: [],
  images: [],
  image_url: null,
  steps: 18,
  cfg: 6.5,
  sampler: 'euler_ancestral',
  scheduler: 'normal',
  seed: '18446744073709551615',
  queue_ms: null,
  duration_ms: null,
  instance: null,
  attempts: 0,
  error: null,
  timings: null,
  parent: null,
  reused_from: null,
  webhook: null,
  metadata: {},
  urls: { self: '/jobs/1', events: '/jobs/1/events', cancel: '/jobs/1/cancel' },
};

describe('the schema of a job', () => {
  it('accepts a waiting job', () => {
    expect(validJob(job)).toBe(true);
  });

  it.each(Object.keys(job))('refuses a job without %s', (field) => {
    const { [field as keyof Job]: _left, ...rest } = job;
    expect(validJob(rest)).toBe(false);
  });

  it.each([
    ['an inner phase for a status', { status: 'claimed' }],
    ['a fraction of a millisecond', { queue_ms: 0.5 }],
    ['metadata that is no text', { metadata: { order: 7 } }],
  ])('refuses %s', (_what, change) => {
    expect(validJob({ ...job, ...change })).toBe(false);
  });
});

describe('the schema of a problem', () => {
  const problem: Problem = {
    type: 'about:blank',
    title: 'There is no such job',
    status: 404,
    detail: 'There is no job 1.',
    instance: '/jobs/1',
    code: 'job_not_found',
  };

  it('accepts a problem with and without invalid fields', () => {
    expect(validProblem(problem)).toBe(true);
    expect(validProblem({ ...problem, errors: [{ pointer: '/seed', detail: 'too large' }] })).toBe(true);
    expect(validProblem({ ...problem, errors: [{ pointer: '/seed' }] })).toBe(false);
  });
});
