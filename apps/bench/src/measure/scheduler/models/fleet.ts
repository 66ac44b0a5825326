import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Graph } from '@comfy-fleet/comfyui';
import type { JournalLine } from '@comfy-fleet/testing';
import { type KeyedStack, startKeyedStack } from '../../../lib/keyed-stack.js';
import type { Scope } from '../../../lib/scope.js';
import { startGpu } from '../../../lib/stack.js';
import { WORKFLOWS_DIR } from '../../../local.js';
import type { ModelScenario } from './scenarios.js';

/** GPUs that hold few models, and a service whose worker does not run yet. */
export interface ModelFleet extends Pick<KeyedStack, 'ended'> {
  /** Submits a job of a key that needs a file. Returns its id. */
  submit(file: string, key: string): Promise<string>;
  /** Starts executing jobs. */
  startWorker(): Promise<void>;
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

export async function startModelFleet(scope: Scope, options: ModelFleetOptions): Promise<ModelFleet> {
  const { redisUrl, scenario, patienceSeconds, keys } = options;
  const { kind, files, holds, loadMs, promptMs } = scenario;
  const models =
    kind === 'checkpoint'
      ? { model_load_ms: loadMs, checkpoints: files }
      : { small_model_load_ms: loadMs, loras: files };
  const more = { step_ms: promptMs, cache_models: holds > 1 ? holds : 0, ...models };
  const gpus = await Promise.all(Array.from({ length: scenario.gpus }, () => startGpu(scope, more)));
  const stack = await startKeyedStack(scope, {
    redisUrl,
    keys,
    workflowsDir: kind === 'lora' ? await loraWorkflows(scope, files[0] ?? '') : WORKFLOWS_DIR,
    env: { MODEL_PATIENCE_SECONDS: `${patienceSeconds}` },
  });
  let seed = 0;
  return {
    submit: async (checkpoint, key) => {
      seed += 1;
      const body = { prompt: 'a prompt', lod: 'sketch', width: SIDE, height: SIDE, steps: 1, seed, checkpoint };
      return stack.submit('/generate', key, body);
    },
    startWorker: async () => {
      await stack.startWorker(
        'bench',
        gpus.map(({ url }) => url),
      );
    },
    ended: stack.ended,
    journal: () => gpus.flatMap((gpu) => gpu.journal()),
  };
}

const LORA = 'lora';
/** Requests have no field for a LoRA, so that of the checkpoint sets it. */
const BINDINGS = { checkpoint: { node: LORA, input: 'lora_name' } };

/** Writes a folder for WORKFLOWS_DIR whose text2img applies a LoRA to its checkpoint. */
export async function loraWorkflows(scope: Scope, loraName: string): Promise<string> {
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
