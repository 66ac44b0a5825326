import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job } from '@comfy-fleet/contracts';
import type { TestStack } from '@comfy-fleet/testing';
import { apiKeyOf, keyEntry } from './api-keys.js';
import { ask, type Question } from './http.js';
import type { Scope } from './scope.js';
import { type ProductionStackOptions, startProductionStack } from './stack.js';

/** The whole service with several API keys, without a worker. */
export interface KeyedStack extends Pick<TestStack, 'startWorker'> {
  /** Submits a job of the key with this id. Returns the job's id. */
  submit(path: string, key: string, body: object): Promise<string>;
  /** Registers a model with the first key. */
  register(kind: string, name: string, body: object): Promise<void>;
  /** Waits for the end of a job. Throws unless it succeeded. */
  ended(id: string): Promise<Job>;
  /** Lets workers claim no jobs, or lets them claim again. */
  pause(): Promise<void>;
  resume(): Promise<void>;
}

const WAIT_SECONDS = 30;

/** `keys` are the ids of the keys. */
export async function startKeyedStack(
  scope: Scope,
  { keys, env, ...options }: ProductionStackOptions & { readonly keys: readonly string[] },
): Promise<KeyedStack> {
  const secrets = new Map(keys.map((id) => [id, apiKeyOf(randomBytes(32))]));
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-bench-keys-'));
  scope.onClose(() => rm(dir, { recursive: true, force: true }));
  const keysFile = join(dir, 'keys.json');
  const entries = [...secrets].map(([id, key]) => keyEntry({ id, key, scopes: ['jobs', 'admin'] }));
  await writeFile(keysFile, JSON.stringify({ keys: entries }), { mode: 0o600 });
  const stack = await startProductionStack(scope, { ...options, env: { API_KEYS_FILE: keysFile, ...env } });
  const call = async (path: string, question: Question): Promise<Job> => {
    const { status, body } = await ask(`${stack.url}${path}`, { ...question, deadlineMs: (WAIT_SECONDS + 10) * 1000 });
    if (status === undefined || status < 200 || status > 202)
      throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
    return body as Job;
  };
  const submittedBy = new Map<string, string>();
  const admin = async (path: string) => {
    await call(path, { method: 'POST', key: secrets.get(keys[0] ?? '') });
  };
  return {
    startWorker: stack.startWorker,
    submit: async (path, key, body) => {
      const { id } = await call(path, { method: 'POST', key: secrets.get(key), body });
      submittedBy.set(id, key);
      return id;
    },
    register: async (kind, name, body) => {
      const key = secrets.get(keys[0] ?? '');
      await call(`/models/${kind}/${encodeURIComponent(name)}`, { method: 'PUT', key, body });
    },
    ended: async (id) => {
      for (;;) {
        const key = secrets.get(submittedBy.get(id) ?? '');
        const job = await call(`/jobs/${id}?wait=${WAIT_SECONDS}`, { method: 'GET', key });
        if (job.status === 'succeeded') return job;
        if (job.finished_at !== null) throw new Error(`job ${id} ended as ${job.status}: ${JSON.stringify(job.error)}`);
      }
    },
    pause: () => admin('/admin/pause'),
    resume: () => admin('/admin/resume'),
  };
}
