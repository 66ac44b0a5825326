import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startWebhookSink, until, type WebhookSink } from '@comfy-fleet/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Runner, startRunner } from './runner.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const NAMES = ['redis', 'api', 'worker', 'dispatcher', 'simulator'];
/** Between an order and the next one, in ms. */
const PACE_MS = 200;
/** For whatever has to happen in the end, however slow the machine is. */
const PATIENCE = { withinMs: 240_000, everyMs: 100 };

interface Job {
  readonly id: string;
  readonly finished_at: string | null;
}

let root: string;
let runner: Runner;
let sink: WebhookSink;

/** The project itself, with data of its own. */
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'comfy-fleet-deaths-'));
  for (const name of ['apps', 'workflows', 'package.json']) await symlink(join(ROOT, name), join(root, name));
  sink = await startWebhookSink();
  const quick = { SIMULATOR_SETTINGS: '{"step_ms":2,"model_load_ms":0}', INTERRUPT_GRACE_SECONDS: '1' };
  runner = await startRunner(root, { ...quick, SIMULATOR_DIR: join(root, 'simulator'), NODE_ENV: 'production' });
});

afterEach(async () => {
  if (runner.process.exitCode === null) runner.process.kill('SIGTERM');
  await runner.exit();
  await sink.close();
  await rm(root, { recursive: true, force: true });
});

const lock = async () => JSON.parse(await readFile(join(root, '.data/run.lock'), 'utf8'));

async function pidOf(name: string): Promise<number> {
  const { children } = await lock();
  return children.find((child: { name: string }) => child.name === name).pid;
}

const ready = () => until('it is ready', () => /ready after [\d.]+ s: {2}(http:\S+)/.exec(runner.text()), PATIENCE);

/** Asks until there is an answer, as callers have to. */
async function ask<T>(url: string, status: number, init: RequestInit = {}): Promise<T> {
  const answered = await until(
    `${url} answers ${status}`,
    async () => {
      const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) }).catch(() => undefined);
      return answer?.status === status ? answer.text().catch(() => undefined) : undefined;
    },
    PATIENCE,
  );
  return JSON.parse(answered) as T;
}

it('every job that was accepted ends, and its webhook comes, when each process is killed under load', {
  timeout: 600_000,
}, async () => {
  const [, url] = await ready();
  const accepted: Promise<Job>[] = [];
  const over = new AbortController();
  const load = async () => {
    while (!over.signal.aborted) {
      const body = { prompt: `${accepted.length}`, lod: 'sketch', width: 64, height: 64, webhook_url: sink.url };
      const headers = { 'content-type': 'application/json', 'idempotency-key': randomUUID() };
      accepted.push(ask(`${url}/generate`, 202, { method: 'POST', headers, body: JSON.stringify(body) }));
      await delay(PACE_MS);
    }
  };
  const loading = load();
  for (const name of NAMES) {
    const before = accepted.length;
    await until('there is load', () => accepted.length > before + 5, PATIENCE);
    const pid = await pidOf(name);
    process.kill(pid, 'SIGKILL');
    await until(`${name} is started again`, async () => (await pidOf(name)) !== pid, PATIENCE);
    await ask(`${url}/readyz`, 200);
  }
  over.abort();
  await loading;
  const jobs = await Promise.all(accepted);
  expect(jobs.length).toBeGreaterThan(25);
  for (const { id } of jobs) {
    const ended = async () => {
      const job = await ask<Job>(`${url}/jobs/${id}`, 200);
      return job.finished_at !== null && job;
    };
    expect(await until(`job ${id} ends`, ended, PATIENCE)).toMatchObject({ status: 'succeeded' });
  }
  const told = () => new Set(sink.received.map(({ body }) => JSON.parse(body).data.id));
  await until('all are told', () => told().size === jobs.length, PATIENCE);
  for (const name of NAMES) {
    expect(runner.text()).toMatch(new RegExp(`^${name} +\\| was ended by SIGKILL; it is started again in`, 'm'));
  }
});

it('a simulator that reacts to no interrupt is restarted, and draws the next job', { timeout: 600_000 }, async () => {
  const [, url] = await ready();
  const pid = await pidOf('simulator');
  const post = (body: object) => ({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const order = () => ask<Job>(`${url}/generate`, 202, post({ prompt: 'x', lod: 'sketch', width: 64, height: 64 }));
  const reaches = (id: string, status: string) =>
    until(
      `job ${id} is ${status}`,
      async () => (await ask<{ status: string }>(`${url}/jobs/${id}`, 200)).status === status,
      PATIENCE,
    );
  const { COMFYUI_URLS: simulator } = (await lock()).settings;
  const hang = await fetch(`${simulator}/simulator/faults`, post({ kind: 'hang', ignores_interrupts: true }));
  expect(hang.ok).toBe(true);
  const { id } = await order();
  await reaches(id, 'running');
  await fetch(`${url}/jobs/${id}/cancel`, { method: 'POST' });
  await until('the simulator is started again', async () => (await pidOf('simulator')) !== pid, PATIENCE);
  await reaches(id, 'canceled');
  await reaches((await order()).id, 'succeeded');
});
