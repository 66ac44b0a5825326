import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiOn, freePort, onFreePort, startRedisServer, startService, uniquePrefix } from '@comfy-fleet/testing';
import { apiKeyOf, keyEntry } from '../../lib/api-keys.js';
import { WORKFLOWS_DIR } from '../../lib/repository.js';
import type { Scope } from '../../lib/scope.js';
import { pin } from './pinned.js';

const MOST_JOBS = '10000000';
const TIMEOUT_MS = 30_000;

/** An API with a Redis, and a key to it. */
export interface ApiStack {
  readonly url: string;
  readonly pid: number;
  readonly key: string;
  readonly prefix: string;
  readonly redisUrl: string;
  readonly dir: string;
  /** Asks the API; throws for another status than 200 and 202. Answers the body's text. */
  ask(method: 'GET' | 'POST', path: string, body?: object): Promise<string>;
}

/** Redis rewrites its append-only file in another process, which would take the core of Redis for seconds in anyone's turn. */
const NO_REWRITES = ['--auto-aof-rewrite-percentage', '0'];

/**
 * As in production: a Redis with `appendfsync always`, a key, limits, validation, and each request logged, to a file. The
 * API is alone on the core, if there is one for it.
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
