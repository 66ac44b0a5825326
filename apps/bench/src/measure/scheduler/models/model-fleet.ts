import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job } from '@comfy-fleet/contracts';
import type { JournalLine } from '@comfy-fleet/testing';
import { apiKeyOf, keyEntry } from '../../../lib/api-keys.js';
import { ask, type Question } from '../../../lib/http.js';
import { WORKFLOWS_DIR } from '../../../lib/local.js';
import type { Scope } from '../../../lib/scope.js';
import { startGpu, startProductionStack } from '../../../lib/stack.js';
import { loraWorkflows } from './lora-workflows.js';
import type { ModelScenario } from './scenarios.js';

/** GPUs that hold few models, and a service before them whose worker does not run yet. */
export interface ModelFleet {
  /** Submits a job of this key that wants this file; answers its id. */
  submit(file: string, key: string): Promise<string>;
  /** From then on jobs are executed. */
  startWorker(): Promise<void>;
  /** The job when it has ended. Throws if it did not succeed. */
  ended(id: string): Promise<Job>;
  /** What the GPUs have executed. */
  journal(): JournalLine[];
}

export interface ModelFleetOptions {
  readonly redisUrl: string;
  readonly scenario: ModelScenario;
  readonly patienceSeconds: number;
  /** The ids of those who submit. */
  readonly keys: readonly string[];
}

/** Pictures are tiny, so that the machine has time for many of them. */
const SIDE = 64;
const WAIT_SECONDS = 30;

export async function startModelFleet(scope: Scope, options: ModelFleetOptions): Promise<ModelFleet> {
  const { redisUrl, scenario, patienceSeconds } = options;
  const keys = new Map(options.keys.map((id) => [id, apiKeyOf(randomBytes(32))]));
  const { kind, files, holds, loadMs, promptMs } = scenario;
  const models =
    kind === 'checkpoint'
      ? { model_load_ms: loadMs, checkpoints: files }
      : { small_model_load_ms: loadMs, loras: files };
  const more = { step_ms: promptMs, cache_models: holds > 1 ? holds : 0, ...models };
  const gpus = await Promise.all(Array.from({ length: scenario.gpus }, () => startGpu(scope, {}, more)));
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-bench-models-'));
  scope.onClose(() => rm(dir, { recursive: true, force: true }));
  const keysFile = join(dir, 'keys.json');
  const entries = [...keys].map(([id, key]) => keyEntry({ id, key, scopes: ['jobs'] }));
  await writeFile(keysFile, JSON.stringify({ keys: entries }), { mode: 0o600 });
  const stack = await startProductionStack(scope, {
    redisUrl,
    workflowsDir: kind === 'lora' ? await loraWorkflows(scope, files[0] ?? '') : WORKFLOWS_DIR,
    env: { API_KEYS_FILE: keysFile, MODEL_PATIENCE_SECONDS: `${patienceSeconds}` },
  });
  const call = async (path: string, question: Question): Promise<Job> => {
    const { status, body } = await ask(`${stack.url}${path}`, { ...question, deadlineMs: (WAIT_SECONDS + 10) * 1000 });
    if (status !== 200 && status !== 202) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
    return body as Job;
  };
  let seed = 0;
  const submittedBy = new Map<string, string>();
  return {
    submit: async (checkpoint, key) => {
      seed += 1;
      const body = { prompt: 'a prompt', lod: 'sketch', width: SIDE, height: SIDE, steps: 1, seed, checkpoint };
      const { id } = await call('/generate', { method: 'POST', key: keys.get(key), body });
      submittedBy.set(id, key);
      return id;
    },
    startWorker: async () => {
      await stack.startWorker(
        'bench',
        gpus.map(({ url }) => url),
      );
    },
    ended: async (id) => {
      for (;;) {
        const job = await call(`/jobs/${id}?wait=${WAIT_SECONDS}`, {
          method: 'GET',
          key: keys.get(submittedBy.get(id) ?? ''),
        });
        if (job.status === 'succeeded') return job;
        if (job.finished_at !== null) throw new Error(`job ${id} ended as ${job.status}: ${JSON.stringify(job.error)}`);
      }
    },
    journal: () => gpus.flatMap((gpu) => gpu.journal()),
  };
}
