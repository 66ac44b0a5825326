import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Graph } from '@comfy-fleet/comfyui';
import { WORKFLOWS_DIR } from '../../../lib/local.js';
import type { Scope } from '../../../lib/scope.js';

const LORA = 'lora';
/** Requests have no field for a LoRA: here the checkpoint's sets it. */
const BINDINGS = { checkpoint: { node: LORA, input: 'lora_name' } };

/** Writes a folder of workflows whose text2img puts a LoRA on its checkpoint; for WORKFLOWS_DIR. */
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

/** What took the model and the text encoder from the loader takes them from the LoRA. */
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
