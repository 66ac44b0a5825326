import type { Abilities, InputValue, ResolvedRequest } from '@comfy-fleet/contracts';
import { isModelFile, linkedInputs, type Slot } from './graph.js';
import { namedInputs } from './input-names.js';
import { neededFor } from './needed-for.js';
import type { Workflow } from './workflow.js';

/** A node that loads model files. */
export interface Loader {
  readonly files: readonly string[];
  /** It works on the output of other nodes, as a LoRA loader does, and so runs again whenever that changes. */
  readonly isLinked: boolean;
}

/** The nodes of the request's graph that load models (checkpoint, diffusion model, CLIP, VAE, LoRA, ControlNet, …), by id. */
export function loadersOf(workflow: Workflow, request: ResolvedRequest): ReadonlyMap<string, Loader> {
  const { graph } = workflow;
  const loaders = new Map<string, Loader>();
  const needed = request.outputs && neededFor(graph, workflow, request.outputs);
  for (const [id, node] of Object.entries(graph)) {
    if (needed !== undefined && !needed.has(id)) continue;
    const files: string[] = [];
    for (const input of Object.keys(node.inputs)) {
      const value = givenAt(workflow, request, { node: id, input }) ?? node.inputs[input];
      if (isModelFile(value)) files.push(value);
    }
    if (files.length > 0) loaders.set(id, { files, isLinked: linkedInputs(node).length > 0 });
  }
  return loaders;
}

/** The request's value for that place, if it has one. */
function givenAt({ inputAt }: Workflow, { inputs }: ResolvedRequest, slot: Slot): InputValue | undefined {
  const name = inputAt(slot)?.name;
  return name !== undefined && Object.hasOwn(inputs, name) ? inputs[name] : undefined;
}

/** The model files that the request's graph names, each once. */
export function modelsOf(workflow: Workflow, request: ResolvedRequest): readonly string[] {
  return [...new Set([...loadersOf(workflow, request).values()].flatMap(({ files }) => files))];
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
