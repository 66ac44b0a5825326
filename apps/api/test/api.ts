import { createHash } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Writable } from 'node:stream';
import { type Config, type ConfigOverrides, loadConfig, openApiKeys, readAllowedNodes } from '@comfy-fleet/config';
import type { ApiKey, Job, Problem } from '@comfy-fleet/contracts';
import { type FrameStore, openFrameStores, rewriteMedia } from '@comfy-fleet/frames';
import {
  type Claim,
  createHousekeeper,
  createLedger,
  createWorkerLedger,
  type Housekeeper,
  type Ledger,
  type WorkerLedger,
} from '@comfy-fleet/jobs';
import { createSafeHttp } from '@comfy-fleet/safe-http';
import { createLogger, createMetrics } from '@comfy-fleet/telemetry';
import { claimNext, removeFolder, uniquePrefix, until } from '@comfy-fleet/testing';
import { buildApp } from '../src/app.js';
import { mediaIn } from '../src/decoding/measure.js';
import { createTasks } from '../src/decoding/tasks.js';
import type { Deps } from '../src/deps.js';
import { createDerived } from '../src/files/derived.js';
import { createFileMeasures } from '../src/files/measure-file.js';
import { createFileRewrites } from '../src/files/rewrite-file.js';
import { createDerivedRoom, createSpaceCheck, createStorageWatch, storeWithinSpace } from '../src/files/storage.js';
import { createOffers } from '../src/models/offers.js';
import { createInputsCheck } from '../src/orders/inputs-check.js';
import { createLongJobs } from '../src/orders/long-jobs.js';
import { createWithinLimits } from '../src/orders/refuse-job.js';
import { createFleetView } from '../src/orders/waiting-for.js';
import { createOpenStreams } from '../src/server/key-limits.js';
import { listen } from '../src/server/listen.js';
import { createInstruments } from '../src/server/locals.js';
import { createAllTurns } from '../src/server/turns.js';
import { openLiveWorkflows } from '../src/workflows/live-workflows.js';
import { documentOf } from './document-of.js';
import { watchAnswers } from './watch-answers.js';

/** The API on its own port with a real Redis, and the worker's side of the ledger to move jobs on. */
export interface TestApi {
  readonly url: string;
  readonly port: number;
  readonly config: Config;
  /** The services that its handlers use. */
  readonly deps: Deps;
  readonly frames: FrameStore;
  readonly inputs: FrameStore;
  readonly framesDir: string;
  /** The file of its API keys, if it has any. */
  readonly keysFile: string;
  readonly worker: WorkerLedger;
  readonly ledger: Ledger;
  readonly keeper: Housekeeper;
  /** Every log line so far, parsed. */
  readonly logged: Record<string, unknown>[];
  /** How responses so far differ from openapi.json; `close` fails if there are any differences. */
  readonly breaches: readonly string[];
  get(path: string, init?: RequestInit): Promise<Response>;
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
  /** Posts a valid request and returns the accepted job. */
  accepted(fields?: object): Promise<Job>;
  job(id: string): Promise<Job>;
  /** Claims the next job as a worker does. */
  claim(): Promise<Claim>;
  /** Its metrics in the format of Prometheus. */
  metrics(): Promise<string>;
  /** Signals that the process is stopping. */
  stop(): void;
  /** Aborts at `stop`. */
  readonly stopping: AbortSignal;
  close(): Promise<void>;
}

/** An API key that is its own id, with the scope `jobs`. */
export function aKey(id: string, more: Partial<ApiKey> = {}): ApiKey {
  return { id, sha256: createHash('sha256').update(id).digest('hex'), scopes: ['jobs'], ...more };
}

/** The headers of a request by the key with that id. */
export const as = (id: string) => ({ headers: { Authorization: `Bearer ${id}` } });

interface ApiOptions {
  readonly env?: Record<string, string>;
  readonly overrides?: ConfigOverrides;
  readonly heartbeatMs?: number;
  /** After how many ms a silent connection is closed. */
  readonly idleMs?: number;
  /** Undefined: requests are not authenticated. */
  readonly keys?: readonly ApiKey[];
  /** Undefined: checks the free disk space. */
  readonly requireSpace?: () => Promise<void>;
}

const DAY_MS = 86_400_000;

/** Daily limits are counted by UTC day, so a test in its last minute waits for the next day. */
const untilDayLasts = () => until('the day to last', () => DAY_MS - (Date.now() % DAY_MS) > 60_000);

export async function startApi(
  redisUrl: string,
  { env = {}, overrides = {}, heartbeatMs = 15_000, idleMs = 3_600_000, keys: apiKeys, requireSpace }: ApiOptions = {},
): Promise<TestApi> {
  await untilDayLasts();
  const framesDir = await mkdtemp(join(tmpdir(), 'api-frames-'));
  const prefix = uniquePrefix();
  const settings = {
    REDIS_URL: redisUrl,
    KEY_PREFIX: prefix,
    // long enough for Redis to answer even on a busy machine
    REDIS_TIMEOUT_MS: '30000',
    FRAMES_DIR: framesDir,
    IMAGE_URL_ALLOW: '127.0.0.1',
    WEBHOOK_ALLOW: '127.0.0.1',
    MIN_FREE_BYTES: '0',
    ...env,
  };
  const config = loadConfig(settings, overrides);
  const logged: Record<string, unknown>[] = [];
  const stream = new Writable({
    write: (line: Buffer, _encoding, done) => {
      logged.push(JSON.parse(line.toString()));
      done();
    },
  });
  const log = createLogger({ service: 'api', level: 'debug', format: 'json', stream });
  const metrics = createMetrics({ service: 'api', log });
  const keysFile = join(framesDir, 'keys.json');
  if (apiKeys !== undefined) await writeFile(keysFile, JSON.stringify({ keys: apiKeys }));
  const onFault = (error: Error) => log.error('keys', { error });
  const keys = apiKeys === undefined ? undefined : await openApiKeys(keysFile, { onFault, everyMs: 200 });
  const { maxOpenJobs, keyJobBytes, jobTtlSeconds, idempotencyTtlSeconds } = config.queue;
  const { signedUrlSeconds } = config.access;
  const stores = await openFrameStores(config.frames, { owner: 'test' });
  const ledger = createLedger({
    redis: config.redis,
    files: stores.inputs,
    maxOpenJobs,
    keyJobBytes,
    jobTtlSeconds,
    idempotencyTtlSeconds,
    signedUrlSeconds,
    maxWorkflowVersions: config.workflows.maxVersions,
    assetTtlSeconds: config.retention.inputsMaxAgeSeconds,
    log,
  });
  const worker = createWorkerLedger({
    redis: config.redis,
    files: stores.inputs,
    worker: 'gpu-1',
    jobTtlSeconds,
    maxWorkerDeaths: 10,
    maxOvertakes: 100,
    modelPatienceMs: 30_000,
    // Long, because a busy machine may delay the renewal of locks.
    lockMs: 60_000,
    stalledCheckMs: 5_000,
    announceSeconds: 60,
    log,
  });
  const keeper = createHousekeeper({ redis: config.redis, jobTtlSeconds, log });
  const claims = await worker.claims('default');
  const held: Claim[] = [];
  const stopping = new AbortController();
  // A separate signal, so that only requests listen to `stopping`.
  const following = new AbortController();
  const workflows = await openLiveWorkflows({
    dir: env.WORKFLOWS_DIR ?? resolve(import.meta.dirname, '../../../workflows'),
    checkpoint: config.checkpoint,
    registry: ledger.workflows,
    everyMs: 500,
    signal: following.signal,
    log,
  });
  const turns = createAllTurns();
  const { decoding } = turns;
  const decoder = createTasks(stores); // in this process
  const instruments = createInstruments(metrics);
  const fleet = createFleetView(ledger, log);
  const requireDiskSpace =
    requireSpace ?? createSpaceCheck(stores.frames, { minFreeBytes: config.retention.minFreeBytes, log });
  const frames = storeWithinSpace(stores.frames, requireDiskSpace);
  const inputs = storeWithinSpace(stores.inputs, requireDiskSpace);
  const deps = {
    config,
    keys,
    allowedNodes: readAllowedNodes(config),
    ledger,
    fleet,
    offers: createOffers({ ledger, fleet, keys }),
    workflows,
    frames,
    inputs,
    decoder,
    measureFile: createFileMeasures({ decoder, decoding, maxBytes: config.images.maxBytes }),
    rewriteFile: createFileRewrites({
      decoding,
      inputs,
      ledger,
      rewrite: ({ file, container }) => rewriteMedia(mediaIn(inputs, file), container),
    }),
    derived: createDerived({
      ...stores,
      decoder,
      ...config.images,
      room: createDerivedRoom({ ledger }, requireDiskSpace),
    }),
    pictureHttp: createSafeHttp({ allow: config.images.fetchAllow }),
    modelUrlRefusal: (url: string) => createSafeHttp({ allow: config.models.sourceAllow }).refusal(url),
    webhookRefusal: (url: string) => createSafeHttp({ allow: config.webhooks.allow }).refusal(url),
    checkInputs: createInputsCheck(),
    withinLimits: createWithinLimits(),
    ...turns,
    longJobs: createLongJobs(),
    // The folder may respond late on a busy machine.
    storage: createStorageWatch({ fault: () => stores.fault(new AbortController().signal) }, log),
    requireSpace: requireDiskSpace,
    streams: createOpenStreams(config.http.streams, instruments.streams),
    downloads: createOpenStreams(config.http.downloads, undefined, 'downloads'),
    previews: createOpenStreams(config.http.previews),
    instruments,
    log,
    stopping: stopping.signal,
    heartbeatMs,
    readmitMs: heartbeatMs,
  };
  const server = await listen({ host: '127.0.0.1', port: 0, idleMs });
  const app = buildApp(deps);
  const answers = watchAnswers(app);
  server.serve(answers.listener);
  const ready = async () => (await fetch(`http://127.0.0.1:${server.port}/readyz`)).status === 200;
  await until('the API to have reached Redis', ready);
  const url = `http://127.0.0.1:${server.port}`;
  answers.expect(await documentOf(deps));
  logged.length = 0;

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
    deps,
    frames,
    inputs,
    framesDir,
    keysFile,
    worker,
    ledger,
    keeper,
    logged,
    breaches: answers.breaches,
    get,
    post,
    accepted: async (fields = {}) => {
      const answer = await post('/generate', { prompt: 'a lighthouse', ...fields });
      if (answer.status !== 202) throw new Error(`not accepted: ${await answer.text()}`);
      return (await answer.json()) as Job;
    },
    job: async (id) => (await (await get(`/jobs/${id}`)).json()) as Job,
    claim: async () => {
      const claim = await until('a job to claim', () => claimNext(claims));
      held.push(claim);
      return claim;
    },
    metrics: () => metrics.scrape(),
    stop: () => stopping.abort(),
    stopping: stopping.signal,
    close: async () => {
      stopping.abort();
      following.abort();
      await server.close(0);
      for (const claim of held) claim.letGo();
      await claims.close();
      keys?.close();
      await Promise.all([ledger.close(), worker.close(), keeper.close()]);
      await removeFolder(framesDir);
      if (answers.breaches.length > 0) throw new Error(`not as documented:\n${answers.breaches.join('\n')}`);
    },
  };
}

/** Parses a response as a problem; throws if it is not one. */
export async function problemOf(answer: Response): Promise<Problem> {
  const type = answer.headers.get('content-type') ?? '';
  const text = await answer.text();
  if (!type.startsWith('application/problem+json')) throw new Error(`${answer.status} ${type}: ${text}`);
  return JSON.parse(text) as Problem;
}
