import { randomBytes } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Graph } from '@comfy-fleet/comfyui';
import type { Job } from '@comfy-fleet/contracts';
import type { JournalLine } from '@comfy-fleet/testing';
import { apiKeyOf, keyEntry } from '../../../lib/api-keys.js';
import { ask, type Question } from '../../../lib/http.js';
import type { Scope } from '../../../lib/scope.js';
import { startGpu, startProductionStack } from '../../../lib/stack.js';
import { WORKFLOWS_DIR } from '../../../local.js';
import type { ModelScenario } from './scenarios.js';

/** GPUs that hold few models, and a service whose worker does not run yet. */
export interface ModelFleet {
  /** Submits a job of a key that needs a file. Returns its id. */
  submit(file: string, key: string): Promise<string>;
  /** Starts executing jobs. */
  startWorker(): Promise<void>;
  /** Waits for the end of a job. Throws unless it succeeded. */
  ended(id: string): Promise<Job>;
  /** The journals of all GPUs. */
  journal(): JournalLine[];
}

export interface ModelFleetOptions {
  readonly redisUrl: string;
  readonly scenario: ModelScenario;
  readonly patienceSeconds: number;
  /** The ids of the keys. */
  readonly keys: readonly string[];
}

/** Pictures are tiny, so that drawing takes little CPU time. */
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

const LORA = 'lora';
/** Requests have no field for a LoRA, so that of the checkpoint sets it. */
const BINDINGS = { checkpoint: { node: LORA, input: 'lora_name' } };

/** Writes a folder for WORKFLOWS_DIR whose text2img applies a LoRA to its checkpoint. */
async function loraWorkflows(scope: Scope, loraName: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-bench-workflows-'));
  scope.onClose(() => rm(dir, { recursive: true, force: true }));
  for (const file of ['img2img.json', 'lod-profiles.json']) await copyFile(join(WORKFLOWS_DIR, file), join(dir, file));
  const graph = JSON.parse(await readFile(join(WORKFLOWS_DIR, 'text2img.json'), 'utf8')) as Graph;
  const [loader] = Object.entries(graph).find(([, node]) => node.class_type === 'CheckpointLoaderSimple') ?? [''];
  await writeFile(join(dir, 'text2img.json'), JSON.stringify(withLora(graph, loader, loraName)));
  await writeFile(join(dir, 'text2img.bindings.json'), JSON.stringify(BINDINGS));
  return dir;
}

/** Links the nodes that used the loader's model and text encoder to the LoRA. */
function withLora(graph: Graph, loader: string, loraName: string): Graph {
  const isPatched = (value: unknown) => Array.isArray(value) && value[0] === loader && value[1] !== 2;
  const nodes = Object.entries(graph).map(([id, node]) => {
    const inputs = Object.entries(node.inputs).map(([name, value]) => [
      name,
      isPatched(value) ? [LORA, (value as unknown[])[1]] : value,
    ]);
    return [id, { ...node, inputs: Object.fromEntries(inputs) }];
  });
  const strengths = { strength_model: 1, strength_clip: 1 };
  const links = { model: [loader, 0], clip: [loader, 1] };
  const lora = { class_type: 'LoraLoader', inputs: { ...links, lora_name: loraName, ...strengths } };
  return { ...Object.fromEntries(nodes), [LORA]: lora } as Graph;
}
