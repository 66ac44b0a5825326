import type { Abilities, ResolvedRequest } from '@comfy-fleet/contracts';
import { linkedInputs } from './graph.js';
import { namedInputs } from './input-names.js';
import type { Workflows } from './load-workflows.js';
import type { Template } from './template.js';

/**
 * The extensions of what ComfyUI lists in its folders of models (folder_paths.py, supported_pt_extensions), and of the
 * formats that custom loaders add.
 */
const MODEL_FILE = /\.(safetensors|sft|ckpt|pt2?|pth|bin|pkl|gguf|onnx)$/i;

/** A node that loads model files. */
export interface Loader {
  readonly files: readonly string[];
  /** It works on the output of other nodes, as a LoRA loader does, and so runs again whenever that changes. */
  readonly isLinked: boolean;
}

type Named = Pick<ResolvedRequest, 'checkpoint'>;
type NamedIn = Pick<ResolvedRequest, 'checkpoint' | 'workflow'>;

/** The nodes of the request's graph that load models (checkpoint, diffusion model, CLIP, VAE, LoRA, ControlNet, …), by id. */
export function loadersOf({ graph, bindings }: Template, { checkpoint }: Named): ReadonlyMap<string, Loader> {
  const isCheckpoint = (node: string, input: string) =>
    bindings.slots.checkpoint.some((slot) => slot.node === node && slot.input === input);
  const loaders = new Map<string, Loader>();
  for (const [id, node] of Object.entries(graph)) {
    const named = Object.entries(node.inputs).map(([input, value]) => (isCheckpoint(id, input) ? checkpoint : value));
    const files = named.filter(isModelFile);
    if (files.length > 0) loaders.set(id, { files, isLinked: linkedInputs(node).length > 0 });
  }
  return loaders;
}

/** A name that a graph gives for a model file. */
export function isModelFile(value: unknown): value is string {
  return typeof value === 'string' && MODEL_FILE.test(value);
}

/** The model files that the request's graph names, each once; none for a workflow that is not known here. */
export function modelsOf({ templates }: Pick<Workflows, 'templates'>, request: NamedIn): string[] {
  const template = templates.get(request.workflow);
  if (template === undefined) return [];
  return [...new Set([...loadersOf(template, request).values()].flatMap(({ files }) => files))];
}

/** The files that an instance lists among its checkpoints and diffusion models. */
export function mainModelsOf(abilities: Abilities): ReadonlySet<string> {
  const files = new Set<string>();
  for (const [class_type, choices] of Object.entries(abilities)) {
    for (const input of namedInputs({ class_type, inputs: choices }, 'checkpoint')) {
      for (const file of choices[input] ?? []) files.add(file);
    }
  }
  return files;
}
