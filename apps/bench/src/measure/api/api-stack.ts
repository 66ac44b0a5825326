import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createWorkerLedger } from '@comfy-fleet/jobs';
import { createLogger } from '@comfy-fleet/telemetry';
import {
  apiOn,
  filesInMemory,
  freePort,
  onFreePort,
  ready,
  redisSettings,
  type Service,
  startRedisServer,
  startService,
  startSimulator,
} from '@comfy-fleet/testing';
import { apiKeyOf, keyEntry } from '../../lib/api-keys.js';
import type { Scope } from '../../lib/scope.js';
import { WORKFLOWS_DIR } from '../../local.js';

const MOST_JOBS = '10000000';
const TIMEOUT_MS = 30_000;

/** An API with its own Redis, and a key for it. */
export interface ApiStack {
  readonly url: string;
  readonly pid: number;
  readonly key: string;
  readonly prefix: string;
  readonly redisUrl: string;
  readonly dir: string;
  /** Sends a request and returns the text of the answer. Throws unless the status is 200 or 202. */
  ask(method: 'GET' | 'POST', path: string, body?: object): Promise<string>;
}

/** Rewriting the append-only file would occupy the core of Redis for seconds during some measurement. */
const NO_REWRITES = ['--auto-aof-rewrite-percentage', '0'];

/**
 * Starts an API as in production: a Redis with `appendfsync always`, a key, limits, validation, and each request logged
 * to a file. If `core` is given, the API is alone on that core.
 */
export async function startApiStack(scope: Scope, { core }: { readonly core: string | undefined }): Promise<ApiStack> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-bench-api-'));
  scope.onClose(() => rm(dir, { recursive: true, force: true }));
  const redis = await startRedisServer({ args: NO_REWRITES });
  scope.onClose(() => redis.close());
  const keysFile = join(dir, 'keys.json');
  const key = apiKeyOf(randomBytes(32));
  const keys = [keyEntry({ id: 'bench', key, scopes: ['jobs', 'graphs', 'admin'] })];
  await writeFile(keysFile, JSON.stringify({ keys }), { mode: 0o600 });
  const prefix = '{comfy-fleet}'; // the default, because the length of keys counts
  const env = {
    NODE_ENV: 'production',
    REDIS_URL: redis.url,
    KEY_PREFIX: prefix,
    API_KEYS_FILE: keysFile,
    FRAMES_DIR: join(dir, 'frames'),
    WORKFLOWS_DIR,
    MAX_OPEN_JOBS: MOST_JOBS,
    // For 100,000 waiting jobs of one key.
    KEY_JOB_BYTES: '1000000000',
    // A busy machine may make the API slow, but must not make it fail.
    REDIS_TIMEOUT_MS: '10000',
  };
  const log = join(dir, 'api.log');
  const { url, pid } = await onFreePort(async (port) => {
    const start = apiOn(port, await freePort());
    const api = startService('api', { ...env, ...start.env }, { log });
    await pin(scope, api, { core, readyUrl: `${start.url}/readyz` });
    return { url: start.url, pid: api.pid };
  });
  const ask: ApiStack['ask'] = async (method, path, body) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
    const answer = await fetch(`${url}${path}`, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await answer.text();
    if (answer.status !== 200 && answer.status !== 202) throw new Error(`${path}: ${answer.status} ${text}`);
    return text;
  };
  return { url, pid, key, prefix, redisUrl: redis.url, dir, ask };
}

const run = promisify(execFile);

/** The core of the API and the core of the load generator and Redis, in the numbers of taskset. */
export interface Cores {
  readonly api: string;
  readonly others: string;
}

/** The first two cores that this process may use; undefined with only one core or without taskset. */
export async function findCores(): Promise<Cores | undefined> {
  const answer = await run('taskset', ['-cp', `${process.pid}`]).catch(() => undefined);
  const [api, others] = answer === undefined ? [] : coresIn(answer.stdout);
  return api === undefined || others === undefined ? undefined : { api, others };
}

/** The numbers in the output of `taskset -cp`: "pid 42's current affinity list: 0,2-4". */
export function coresIn(text: string): string[] {
  const list = text.slice(text.lastIndexOf(':') + 1).trim();
  return list.split(',').flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, n) => `${first + n}`);
  });
}

/** Pins a process to these cores, with all its threads and the processes that it starts from now on. */
export async function keepTo(cores: string, pid: number): Promise<void> {
  await run('taskset', ['-acp', cores, `${pid}`]);
}

export interface Pinned {
  /** As taskset numbers it; undefined: any core. */
  readonly core: string | undefined;
  /** Answers 200 when the process is ready. */
  readonly readyUrl: string;
}

/** Pins a process to a core and waits until it is ready. The scope stops the process. */
export async function pin(scope: Scope, service: Service, { core, readyUrl }: Pinned): Promise<void> {
  scope.onClose(() => service.stop('SIGKILL'));
  if (core !== undefined) await keepTo(core, service.pid);
  await ready(service, readyUrl);
}

/** Publishes the simulator's catalogue as that of an instance, because the API checks graphs against it. */
export async function publishCatalogue({ redisUrl: url, prefix }: ApiStack): Promise<void> {
  const gpu = await startSimulator({ version: '0.33.0' });
  const answer = await fetch(`${gpu.url}/object_info`);
  const known = Object.entries((await answer.json()) as Record<string, object>);
  await gpu.close();
  const classes = known.map(([name, entry]): [string, string] => [name, JSON.stringify(entry)]);
  const digest = createHash('sha256').update(JSON.stringify(classes)).digest('hex');
  const worker = createWorkerLedger({
    redis: redisSettings({ url, prefix }),
    files: filesInMemory(),
    worker: 'bench',
    jobTtlSeconds: 3600,
    maxWorkerDeaths: 10,
    maxOvertakes: 100,
    modelPatienceMs: 30_000,
    lockMs: 60_000,
    stalledCheckMs: 60_000,
    announceSeconds: 60,
    log: createLogger({ service: 'bench', level: 'error', format: 'pretty' }),
  });
  const catalogue = { instance: 'bench/1', seenAt: Date.now(), digest, classes, replacements: {} };
  await worker.abilities.publish(['default'], catalogue);
  await worker.close();
}
