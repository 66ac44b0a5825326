import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, onFreePort, startRedisServer, uniquePrefix } from '@comfy-fleet/testing';
import { inRepository } from '../../lib/repository.js';
import type { Scope } from '../../lib/scope.js';
import { WORKFLOWS_DIR } from '../../lib/workflow.js';
import { writeKey } from './key.js';
import { startNode } from './node-process.js';

const API = inRepository('apps/api/dist/main.js');
const MOST_JOBS = '10000000';
const TIMEOUT_MS = 30_000;

/** An API with a Redis, and a key to it. */
export interface Stack {
  readonly url: string;
  readonly pid: number;
  readonly key: string;
  readonly prefix: string;
  readonly redis: StackRedis;
  readonly dir: string;
  /** Asks the API; throws for another status than 200 and 202. Answers the body's text. */
  ask(method: 'GET' | 'POST', path: string, body?: object): Promise<string>;
}

interface StackRedis {
  readonly url: string;
  readonly pid: number;
}

interface StackOptions {
  /** Of the API. */
  readonly core: string | undefined;
  /** Default: one of its own, as durable as in production: `appendfsync always`. */
  readonly redis?: StackRedis;
}

/** As in production: a key, limits, validation, and each request logged, to a file. */
export async function startStack(scope: Scope, { core, redis: given }: StackOptions): Promise<Stack> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-bench-api-'));
  scope.onClose(() => rm(dir, { recursive: true, force: true }));
  const redis = given ?? (await ownRedis(scope));
  const keysFile = join(dir, 'keys.json');
  const key = await writeKey(keysFile);
  const prefix = uniquePrefix();
  const env = {
    NODE_ENV: 'production',
    REDIS_URL: redis.url,
    KEY_PREFIX: prefix,
    API_KEYS_FILE: keysFile,
    FRAMES_DIR: join(dir, 'frames'),
    WORKFLOWS_DIR,
    MAX_OPEN_JOBS: MOST_JOBS,
    // a machine with other things to do is to make it slow, not to make it fail
    REDIS_TIMEOUT_MS: '10000',
  };
  const log = join(dir, 'api.log');
  const { url, pid } = await onFreePort(async (port) => {
    const url = `http://127.0.0.1:${port}`;
    const own = { ...env, PORT: `${port}`, API_METRICS_PORT: `${await freePort()}` };
    const { pid } = await startNode(scope, { args: [API], env: own, core, log, readyUrl: `${url}/readyz` });
    return { url, pid };
  });
  const ask: Stack['ask'] = async (method, path, body) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
    const answer = await fetch(`${url}${path}`, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await answer.text();
    if (answer.status !== 200 && answer.status !== 202) throw new Error(`${path}: ${answer.status} ${text}`);
    return text;
  };
  return { url, pid, key, prefix, redis, dir, ask };
}

async function ownRedis(scope: Scope): Promise<StackRedis> {
  const redis = await startRedisServer();
  scope.onClose(() => redis.close());
  return redis;
}
