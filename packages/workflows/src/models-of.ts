import { type Abilities, type InputValue, type ModelKind, modelId, type ResolvedRequest } from '@comfy-fleet/contracts';
import { type Graph, isModelFile, linkedInputs, nodeAt, type Slot, upstreamOf } from './graph.js';
import { namedInputs } from './input-names.js';
import { modelKindAt } from './model-kinds.js';
import { NODE_TABLE, reviewedKind } from './nodes/node-table.js';
import type { Workflow } from './workflow.js';

/** A node that loads model files. */
export interface Loader {
  readonly files: readonly string[];
  /** It depends on other nodes, like a LoRA loader, and so runs again whenever they change. */
  readonly isLinked: boolean;
}

/**
 * The nodes of the request's graph that load models (checkpoint, diffusion model, CLIP, VAE, LoRA, ControlNet, …), by
 * id.
 */
export function loadersOf(workflow: Workflow, request: ResolvedRequest): ReadonlyMap<string, Loader> {
  const loaders = new Map<string, { readonly files: string[]; readonly isLinked: boolean }>();
  for (const { node, file } of modelPlaces(workflow, request)) {
    const loader = loaders.get(node) ?? { files: [], isLinked: linkedInputs(nodeAt(workflow.graph, node)).length > 0 };
    loader.files.push(file);
    loaders.set(node, loader);
  }
  return loaders;
}

/** The model files of the request's graph whose kind is known, without duplicates. */
export function modelsNeeded(
  workflow: Workflow,
  request: ResolvedRequest,
  abilities: Abilities,
): { readonly kind: ModelKind; readonly name: string }[] {
  const needed = new Map<string, { readonly kind: ModelKind; readonly name: string }>();
  for (const { className, input, file: name } of modelPlaces(workflow, request)) {
    const kind = modelKindAt(className, input, abilities);
    if (kind !== undefined) needed.set(modelId({ kind, name }), { kind, name });
  }
  return [...needed.values()];
}

/** Where the request's graph names model files. */
export function modelPlaces(workflow: Workflow, request: ResolvedRequest) {
  const { graph } = workflow;
  const needed = request.outputs && neededFor(graph, workflow, request.outputs);
  const places: { node: string; className: string; input: string; file: string }[] = [];
  for (const [node, { class_type: className, inputs }] of Object.entries(graph)) {
    if (needed !== undefined && !needed.has(node)) continue;
    for (const input of Object.keys(inputs)) {
      if (!mayNameModel(className, input)) continue;
      const file = givenAt(workflow, request, { node, input }) ?? inputs[input];
      if (isModelFile(file)) places.push({ node, className, input, file });
    }
  }
  return places;
}

/** In kinds of inputs that take an option. */
const OPTION = /^(model|choice|fixed|not:.*|refused|unreviewed)$/;

/**
 * A text that only looks like the name of a model must not count: workers learn from its node how long the model takes to
 * load and where it is in memory, for the jobs of all keys.
 */
function mayNameModel(className: string, input: string): boolean {
  return !NODE_TABLE.has(className) || OPTION.test(reviewedKind(className, input) ?? '');
}

/** The request's value for this place, if it has one. */
function givenAt({ inputAt }: Workflow, { inputs }: ResolvedRequest, slot: Slot): InputValue | undefined {
  const name = inputAt(slot)?.name;
  return name !== undefined && Object.hasOwn(inputs, name) ? inputs[name] : undefined;
}

/** The model files of the request's graph, without duplicates. */
export function modelsOf(workflow: Workflow, request: ResolvedRequest): readonly string[] {
  return [...new Set(modelPlaces(workflow, request).map(({ file }) => file))];
}

/** The checkpoints and diffusion models that an instance lists. */
export function mainModelsOf(abilities: Abilities): ReadonlySet<string> {
  const files = new Set<string>();
  for (const [class_type, choices] of Object.entries(abilities)) {
    for (const input of namedInputs({ class_type, inputs: choices }, 'checkpoint')) {
      for (const file of choices[input] ?? []) files.add(file);
    }
  }
  return files;
}

/** Ids of the nodes of `graph` that the named outputs need; all of them if none is named. */
function neededFor(graph: Graph, { outputs }: Workflow, names: readonly string[] | undefined): Set<string> {
  const ids = outputs.filter(({ name }) => names?.includes(name)).map(({ node }) => node);
  return ids.length === 0 ? new Set(Object.keys(graph)) : upstreamOf(graph, ids);
}

/** The part of `graph` that the named outputs need; all of it if none is named. */
export function neededPart(graph: Graph, workflow: Workflow, names: readonly string[] | undefined): Graph {
  if (names === undefined) return graph;
  const needed = neededFor(graph, workflow, names);
  return Object.fromEntries(Object.entries(graph).filter(([id]) => needed.has(id)));
}
