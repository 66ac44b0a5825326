import type { ResolvedRequest } from '@comfy-fleet/contracts';
import type { Template } from './template.js';

/**
 * The extensions of what ComfyUI lists in its folders of models (folder_paths.py, supported_pt_extensions), and of the
 * formats that custom loaders add.
 */
const MODEL_FILE = /\.(safetensors|sft|ckpt|pt2?|pth|bin|pkl|gguf|onnx)$/i;

/** The model files that the request's graph names (checkpoint, diffusion model, CLIP, VAE, LoRA, ControlNet, …), each once. */
export function modelsOf({ graph, bindings }: Template, { checkpoint }: Pick<ResolvedRequest, 'checkpoint'>): string[] {
  const isCheckpoint = (node: string, input: string) =>
    bindings.slots.checkpoint.some((slot) => slot.node === node && slot.input === input);
  const named = Object.entries(graph).flatMap(([node, { inputs }]) =>
    Object.entries(inputs).map(([input, value]) => (isCheckpoint(node, input) ? checkpoint : value)),
  );
  return [...new Set(named.filter((value): value is string => typeof value === 'string' && MODEL_FILE.test(value)))];
}
