import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  createGpus,
  type Gpus,
  type JobClient,
  jobClient,
  type ModelSource,
  PICTURE,
  removeFolder,
  type Simulator,
  safetensors,
  startModelSource,
  startStack,
  startWebhookSink,
  type TestStack,
  until,
  type WebhookSink,
} from '../src/index.js';
import { type Exposition, readExposition } from './exposition.js';

const SMALL = { prompt: 'a lighthouse in a storm', lod: 'sketch', width: 64, height: 64, steps: 40 };
const OTHER_CHECKPOINT = 'v1-5-pruned-emaonly.safetensors';
const LIST = join(import.meta.dirname, '../../telemetry/METRICS.md');

let stack: TestStack;
let worker: Awaited<ReturnType<TestStack['startWorker']>>;
let jobs: JobClient;
let gpus: Gpus;
let gpu: Simulator;
let sink: WebhookSink;
let source: ModelSource;
let modelsDir: string;
/** From the submission of the first four jobs to the early poll of the worker. */
let earlySeconds: number;
/** What each process served after all events below, by name. */
const served: Record<string, Exposition> = {};
const texts: Record<string, string> = {};

const scrape = async (url: string) => await (await fetch(`${url}/metrics`)).text();

/**
 * Four jobs at once, the second with another checkpoint and the first with a webhook that is accepted at the second
 * attempt; then one from a picture, one whose node fails, one that ComfyUI loses once, and one that is canceled behind
 * another. A model is fetched and deleted, another one is on no server.
 */
beforeAll(async () => {
  gpus = await createGpus();
  gpu = await gpus.start(10);
  sink = await startWebhookSink();
  stack = await startStack({
    redisUrl: inject('redisUrl'),
    env: { HOUSEKEEPING_SECONDS: '1', WEBHOOK_RETRY_SECONDS: '0.1', WEBHOOK_ALLOW: '127.0.0.0/8' },
  });
  jobs = jobClient(stack.url);
  source = await startModelSource();
  modelsDir = await mkdtemp(join(tmpdir(), 'comfy-fleet-metrics-'));
  const models = { COMFYUI_MODELS_DIR: modelsDir, MODEL_SOURCE_ALLOW: '127.0.0.1' };
  worker = await stack.startWorker('w', [gpu.url], models);
  const dispatcher = await stack.startDispatcher();
  const scrapeAll = async () => {
    for (const [name, { healthUrl }] of Object.entries({ api: stack.api, worker, dispatcher })) {
      const text = await scrape(healthUrl);
      texts[name] = text;
      served[name] = readExposition(text);
    }
  };

  let tries = 0;
  sink.answer(() => ({ status: ++tries === 1 ? 500 : 200 }));
  const batch = [
    { ...SMALL, webhook: { url: sink.url } },
    { ...SMALL, checkpoint: OTHER_CHECKPOINT },
    { ...SMALL, lod: 'mid' },
    SMALL,
  ];
  const ordered = performance.now();
  const made = await fetch(`${stack.url}/jobs/batch`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jobs: batch }),
  });
  expect(made.status).toBe(202);
  const { data } = (await made.json()) as { data: { id: string }[] };
  for (const { id } of data) expect((await jobs.ended(id)).status).toBe('succeeded');
  await sink.got(2);
  served.early = readExposition(await scrape(worker.healthUrl));
  earlySeconds = (performance.now() - ordered) / 1000;

  const fromPicture = await jobs.img2img({ ...SMALL, image: PICTURE });
  expect((await jobs.ended(fromPicture.id)).status).toBe('succeeded');
  gpu.faults.add({ kind: 'node_error', times: 1 });
  expect((await jobs.ended((await jobs.generate(SMALL)).id)).status).toBe('failed');
  gpu.faults.add({ kind: 'lost_prompt', times: 1 });
  expect((await jobs.ended((await jobs.generate(SMALL)).id)).status).toBe('succeeded');
  gpu.set({ stepMs: 1000 });
  const long = await jobs.generate({ ...SMALL, steps: 150 });
  await until('it runs', async () => (await jobs.get(long.id)).status === 'running');
  const behind = await jobs.generate(SMALL);
  await jobs.cancel(behind.id);
  expect((await jobs.ended(behind.id)).status).toBe('canceled');
  gpu.set({ stepMs: 10 });
  expect((await jobs.ended(long.id)).status).toBe('succeeded');
  await fetchModels();
  await fetch(`${stack.url}/nowhere`);
  await until('the housekeeping has looked and Redis has answered', async () => {
    await scrapeAll();
    return (
      served.dispatcher?.value('frames_files{kind="frame"}') === 7 &&
      served.worker?.value('redis_up') === 1 &&
      served.worker?.value('model_evictions_total{kind="loras"}') === 1 &&
      served.dispatcher?.value('models_failing{code="refused_by_source"}') === 1 &&
      served.worker?.value('job_collect_seconds_count{pool="default",lod="sketch"}') === 6
    );
  });
});
afterAll(async () => {
  await stack.close();
  await Promise.all([gpus.close(), sink.close(), source.close()]);
  await removeFolder(modelsDir);
});

async function fetchModels(): Promise<void> {
  source.files.set('fox.safetensors', { content: safetensors(100_000) });
  const call = (method: string, path: string, body?: object) =>
    fetch(`${stack.url}/models/loras/${path}`, {
      method,
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
  const stateOf = async (name: string) => {
    const { copies } = (await (await call('GET', name)).json()) as { copies: { state: string }[] };
    return copies[0]?.state;
  };
  for (const name of ['fox.safetensors', 'wolf.safetensors']) {
    await call('PUT', name, { sources: [`${source.url}/${name}`] });
    await call('POST', `${name}/fetch`, {});
  }
  await until('one is there', async () => (await stateOf('fox.safetensors')) === 'ready');
  await until('the other one is not', async () => (await stateOf('wolf.safetensors')) === 'failed');
  await call('DELETE', 'fox.safetensors');
}

const values = (process: string, series: readonly string[]) =>
  Object.fromEntries(series.map((one) => [one, served[process]?.value(one)]));
const expectValues = (process: string, expected: Record<string, number>) =>
  expect(values(process, Object.keys(expected))).toEqual(expected);

it('counts jobs once each by kind, lod and outcome', () => {
  const totals = served.dispatcher?.series('jobs_total');
  expect(totals).toEqual({
    'kind="text2img",lod="sketch",outcome="created"': 7,
    'kind="text2img",lod="sketch",outcome="succeeded"': 5,
    'kind="text2img",lod="sketch",outcome="failed"': 1,
    'kind="text2img",lod="sketch",outcome="canceled"': 1,
    'kind="text2img",lod="mid",outcome="created"': 1,
    'kind="text2img",lod="mid",outcome="succeeded"': 1,
    'kind="img2img",lod="sketch",outcome="created"': 1,
    'kind="img2img",lod="sketch",outcome="succeeded"': 1,
  });
});

it('measures the wait, the execution and the storing of each job that had them', () => {
  expectValues('worker', {
    'job_wait_seconds_count{pool="default",lod="sketch"}': 7,
    'job_wait_seconds_count{pool="default",lod="mid"}': 1,
    // Including the failed one; the lost prompt has no end.
    'job_run_seconds_count{pool="default",lod="sketch"}': 7,
    'job_run_seconds_count{pool="default",lod="mid"}': 1,
    'job_collect_seconds_count{pool="default",lod="sketch"}': 6,
    'job_collect_seconds_count{pool="default",lod="mid"}': 1,
  });
});

it('counts prompts, retries and changes of the checkpoint by instance', () => {
  expectValues('worker', {
    'prompts_total{instance="w/1",outcome="succeeded"}': 7,
    'prompts_total{instance="w/1",outcome="failed"}': 1,
    'prompts_total{instance="w/1",outcome="lost"}': 1,
    'prompts_total{instance="w/1",outcome="interrupted"}': 0,
    'checkpoint_switches_total{instance="w/1"}': 2,
    'retries_total{code="prompt_lost"}': 1,
    'instance_up{instance="w/1"}': 1,
    storage_up: 1,
    'instance_transitions_total{instance="w/1",to="up"}': 1,
    'instance_transitions_total{instance="w/1",to="down"}': 0,
    'instance_faults_total{instance="w/1",code="node_execution_error"}': 1,
    'instance_faults_total{instance="w/1",code="gpu_failed"}': 0,
    'instance_rests{instance="w/1",scope="all",code="none"}': 0,
    'instance_rests{instance="w/1",scope="part",code="none"}': 0,
  });
});

it('measures one gap for each of the prompts that began after another while jobs waited, and the time between as busy', () => {
  expect(served.early?.value('instance_gap_seconds_count{instance="w/1"}')).toBe(3);
  const journal = gpu.journal();
  const ended = journal.filter((line) => line.event === 'end').slice(0, 4);
  const executed = ended.reduce((sum, { started_at, ended_at }) => sum + (ended_at - started_at) / 1000, 0);
  const busy = served.early?.value('instance_busy_seconds_total{instance="w/1"}') ?? 0;
  expect(busy).toBeGreaterThan(executed / 100);
  expect(busy).toBeLessThan(earlySeconds);
});

it('counts attempts of webhooks, and measures each and the total', () => {
  expectValues('dispatcher', {
    'webhook_attempts_total{outcome="delivered"}': 1,
    'webhook_attempts_total{outcome="not_taken"}': 1,
    'webhook_attempts_total{outcome="given_up"}': 0,
    webhook_seconds_count: 2,
    webhook_lag_seconds_count: 1,
    webhooks_waiting: 0,
    webhook_oldest_seconds: 0,
    outbox_entries: 0,
  });
});

it('shows the state of the fleet when all is done', () => {
  expectValues('dispatcher', {
    'queue_jobs{pool="default",lod="sketch",state="waiting"}': 0,
    'queue_jobs{pool="default",lod="sketch",state="claimed"}': 0,
    'queue_jobs{pool="default",lod="sketch",state="running"}': 0,
    'queue_jobs{pool="default",lod="sketch",state="parked"}': 0,
    'queue_oldest_seconds{pool="default",lod="sketch"}': 0,
    'backlog_seconds{pool="default"}': 0,
    'pool_instances{pool="default"}': 1,
    'pool_paused{pool="default"}': 0,
    'workers{pool="default"}': 1,
    'instance_drained{instance="w/1"}': 0,
    'key_share_ratio{key="anonymous"}': 1,
    'key_oldest_wait_seconds{key="anonymous"}': 0,
    fleet_paused: 0,
    'frames_files{kind="frame"}': 7,
    'frames_files{kind="input"}': 1,
    'frames_files{kind="derived"}': 0,
    redis_noeviction: 1,
    redis_aof: 1,
    redis_memory_max_bytes: 2 * 1024 ** 3,
    redis_up: 1,
  });
  const { dispatcher } = served;
  expect(dispatcher?.value('frames_bytes{kind="frame"}')).toBeGreaterThan(1000);
  expect(dispatcher?.value('frames_free_bytes')).toBeGreaterThan(1_000_000);
  expect(dispatcher?.value('redis_memory_bytes')).toBeGreaterThan(100_000);
});

it('measures the requests of the API by route and status', () => {
  expectValues('api', {
    'http_request_seconds_count{method="POST",route="/generate",status="202"}': 4,
    'http_request_seconds_count{method="POST",route="/jobs/batch",status="202"}': 1,
    'http_request_seconds_count{method="POST",route="/img2img",status="202"}': 1,
    'http_request_seconds_count{method="POST",route="/jobs/:id/cancel",status="200"}': 1,
    'http_request_seconds_count{method="GET",route="none",status="404"}': 1,
    'http_errors_total{code="not_found"}': 1,
    http_in_flight: 0,
    event_streams: 0,
  });
});

describe.each(['api', 'worker', 'dispatcher'])('the metrics of the %s', (name) => {
  it('are those of packages/telemetry/METRICS.md, with their types and labels', async () => {
    const rows = (await readFile(LIST, 'utf8')).split('\n').filter((line) => line.startsWith('| `comfy_fleet_'));
    const listed = rows
      .map((row) => row.split('|').map((cell) => cell.replaceAll('`', '').trim()))
      .filter(([, , , , processes]) => processes === 'all' || processes === name)
      .map(([, metric, type, labels]) => `${metric} ${type} ${labels}`.trim());
    expect(listed.length).toBeGreaterThan(5);
    expect(served[name]?.described()).toEqual(listed.sort());
  });

  it('name no job, no key and no path', () => {
    expect(texts[name]).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/);
  });

  it('pass promtool, except for three names of prom-client', async () => {
    const complaints = await promtool(texts[name] ?? '');
    expect(complaints.filter((line) => !/^nodejs_active_\w+_total non-counter/.test(line))).toEqual([]);
    expect(complaints).toHaveLength(3);
  });
});

it('counts an instance that died under a job as busy only until it is down', async () => {
  const busy = 'instance_busy_seconds_total{instance="w/1"}';
  const read = async () => readExposition(await scrape(worker.healthUrl));
  const before = (await read()).value(busy);
  gpu.set({ stepMs: 1000 });
  const { id } = await jobs.generate(SMALL);
  await until('it executes', async () => (await jobs.get(id)).status === 'running');
  await gpu.close();
  const down = await until('it is down', async () => {
    const now = await read();
    return now.value('instance_up{instance="w/1"}') === 0 && now;
  });
  expect(down.value(busy)).toBeGreaterThan(before ?? 0);
  expect((await read()).value(busy)).toBe(down.value(busy));
});

/** The complaints of `promtool check metrics` about an exposition, by line. */
async function promtool(text: string): Promise<string[]> {
  const child = spawn('promtool', ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaints = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (complaints += String(chunk)));
  child.stdin.end(text);
  await once(child, 'close');
  return complaints.split('\n').filter((line) => line !== '');
}
