import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Writable } from 'node:stream';
import { type Config, loadConfig } from '@comfy-fleet/config';
import type { Job, Problem } from '@comfy-fleet/contracts';
import { createFileFrames, type FileFrames } from '@comfy-fleet/frames';
import {
  type Claim,
  createKeeper,
  createLedger,
  createWorkerLedger,
  type Keeper,
  type WorkerLedger,
} from '@comfy-fleet/jobs';
import { createLogger } from '@comfy-fleet/telemetry';
import { uniquePrefix, until } from '@comfy-fleet/testing';
import { loadWorkflows } from '@comfy-fleet/workflows';
import { buildApp } from '../src/app.js';
import { createFleetView } from '../src/fleet/fleet-view.js';
import { listen } from '../src/server.js';

/** The API on a port of its own with a real Redis behind it, and the worker's side of the ledger to move jobs with. */
export interface TestApi {
  readonly url: string;
  readonly port: number;
  readonly config: Config;
  readonly frames: FileFrames;
  readonly inputs: FileFrames;
  readonly framesDir: string;
  readonly worker: WorkerLedger;
  readonly keeper: Keeper;
  /** Every log line so far, parsed. */
  readonly logged: Record<string, unknown>[];
  get(path: string, init?: RequestInit): Promise<Response>;
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
  /** Posts a valid request and answers the accepted job. */
  accepted(fields?: object): Promise<Job>;
  job(id: string): Promise<Job>;
  /** Claims the next job as a worker does. */
  claim(): Promise<Claim>;
  /** Says that the process is about to end. */
  stop(): void;
  /** Aborts at `stop`. */
  readonly stopping: AbortSignal;
  close(): Promise<void>;
}

export async function startApi(
  redisUrl: string,
  { env = {}, heartbeatMs = 15_000 }: { env?: Record<string, string>; heartbeatMs?: number } = {},
): Promise<TestApi> {
  const framesDir = await mkdtemp(join(tmpdir(), 'api-frames-'));
  const prefix = uniquePrefix();
  const config = loadConfig({ REDIS_URL: redisUrl, KEY_PREFIX: prefix, FRAMES_DIR: framesDir, ...env });
  const logged: Record<string, unknown>[] = [];
  const stream = new Writable({
    write: (line: Buffer, _encoding, done) => {
      logged.push(JSON.parse(line.toString()));
      done();
    },
  });
  const log = createLogger({ service: 'api', level: 'debug', format: 'json', stream });
  const { maxOpenJobs, jobTtlSeconds } = config.queue;
  const ledger = createLedger({ ...config.redis, maxOpenJobs, jobTtlSeconds, log });
  const worker = createWorkerLedger({
    url: redisUrl,
    prefix,
    worker: 'gpu-1',
    jobTtlSeconds,
    maxWorkerDeaths: 10,
    lockMs: 10_000,
    stalledCheckMs: 5_000,
    announceSeconds: 60,
    log,
  });
  const keeper = createKeeper({ url: redisUrl, prefix, jobTtlSeconds, sweepSeconds: 5, log });
  const claims = await worker.claims('default');
  const held: Claim[] = [];
  const frames = createFileFrames({ dir: framesDir, owner: 'test' });
  const inputs = createFileFrames({ dir: join(framesDir, 'inputs'), owner: 'test' });
  const workflows = await loadWorkflows(resolve(import.meta.dirname, '../../../workflows'));
  const stopping = new AbortController();
  const deps = {
    config,
    ledger,
    fleet: createFleetView(ledger, log),
    workflows,
    frames,
    inputs,
    log,
    stopping: stopping.signal,
    heartbeatMs,
  };
  const server = await listen({ host: '127.0.0.1', port: 0 });
  server.serve(buildApp(deps));
  const ready = async () => (await fetch(`http://127.0.0.1:${server.port}/readyz`)).status === 200;
  await until('the API to have reached Redis', ready);
  logged.length = 0;
  const url = `http://127.0.0.1:${server.port}`;

  const get = (path: string, init: RequestInit = {}) => fetch(url + path, init);
  const post = (path: string, body: unknown, init: RequestInit = {}) =>
    fetch(url + path, {
      method: 'POST',
      body: JSON.stringify(body),
      ...init,
      headers: { 'Content-Type': 'application/json', ...init.headers },
    });
  return {
    url,
    port: server.port,
    config,
    frames,
    inputs,
    framesDir,
    worker,
    keeper,
    logged,
    get,
    post,
    accepted: async (fields = {}) => {
      const answer = await post('/generate', { prompt: 'a lighthouse', ...fields });
      if (answer.status !== 202) throw new Error(`not accepted: ${await answer.text()}`);
      return (await answer.json()) as Job;
    },
    job: async (id) => (await (await get(`/jobs/${id}`)).json()) as Job,
    claim: async () => {
      const claim = await until('a job to claim', () => claims.next());
      held.push(claim);
      return claim;
    },
    stop: () => stopping.abort(),
    stopping: stopping.signal,
    close: async () => {
      stopping.abort();
      await server.close(0);
      for (const claim of held) claim.letGo();
      await claims.close();
      await Promise.all([ledger.close(), worker.close(), keeper.close()]);
      await rm(framesDir, { recursive: true, force: true });
    },
  };
}

/** The problem that an answer is; fails when it is none. */
export async function problemOf(answer: Response): Promise<Problem> {
  const type = answer.headers.get('content-type') ?? '';
  const text = await answer.text();
  if (!type.startsWith('application/problem+json')) throw new Error(`${answer.status} ${type}: ${text}`);
  return JSON.parse(text) as Problem;
}
