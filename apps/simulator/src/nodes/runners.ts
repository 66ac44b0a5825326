import { createHash } from 'node:crypto';
import type { NodeInput } from '@comfy-fleet/workflows';
import type { Catalogue } from '../catalogue/catalogue.js';
import { modelFolder } from '../catalogue/installed-files.js';
import { NodeError } from '../executor/node-error.js';
import { type Json, type JsonObject, writeJson } from '../python.js';
import { images } from './images.js';
import { latents } from './latents.js';
import { conditioning, loaders } from './loaders.js';
import { makeValue } from './made-values.js';
import type { NodeContext, NodeInputs, NodeRunner } from './node.js';
import { outputWriters, writeLinkedPictures } from './outputs.js';
import { probes } from './probes.js';
import { sampling } from './sampling.js';
import { saving } from './save.js';
import type { LatentContent, NodeValue } from './values.js';

const primitives: Record<string, NodeRunner> = {
  PrimitiveInt: (inputs) => ({ outputs: [{ kind: 'primitive', value: inputs.value('value') }] }),
  PrimitiveStringMultiline: (inputs) => ({ outputs: [{ kind: 'primitive', value: inputs.value('value') }] }),
};

/** A hexadecimal hash of a node's class and inputs, which identifies what it makes. */
function markOf(classType: string, inputs: NodeInputs): string {
  const hash = createHash('sha1')
    .update(classType)
    .update(writeJson(Object.fromEntries(inputs.widgetValues)));
  for (const value of inputs.linkedValues) addTo(hash, value);
  return hash.digest('hex');
}

type Hash = ReturnType<typeof createHash>;

function addTo(hash: Hash, value: NodeValue): void {
  hash.update(value.kind);
  if (value.kind === 'images') for (const frame of value.frames) hash.update(frame);
  else if (value.kind === 'latent') addContent(hash.update(`${value.width} ${value.height}`), value.content);
  else if (value.kind === 'primitive') hash.update(writeJson(value.value));
  else if (value.kind === 'other') hash.update(value.mark);
  else hash.update(JSON.stringify(value));
}

function addContent(hash: Hash, content: LatentContent): void {
  if (content.kind === 'pixels') addTo(hash, content.images);
  if (content.kind !== 'painted') return;
  hash.update(JSON.stringify(content.painting));
  addContent(hash, content.under);
}

/** Types of inputs and outputs that mean work for a GPU. */
const HEAVY_INPUTS = ['MODEL', 'VAE', 'UPSCALE_MODEL', 'LATENT_UPSCALE_MODEL', 'INTERP_MODEL', 'CLIP_VISION'];
const HEAVY_OUTPUTS = ['IMAGE', 'LATENT', 'VIDEO', 'AUDIO', 'MESH', 'VOXEL', 'LORA_MODEL'];

/**
 * Simulates a class from its /object_info alone: the node loads the files that it names, takes its steps, and gives
 * each output a value of its type. An output node also writes its files.
 */
export function bySignature(classType: string, catalogue: Catalogue): NodeRunner {
  const described = catalogue.describe(classType) ?? {};
  return async (inputs, context) => {
    const specs = catalogue.inputs(classType, Object.fromEntries(inputs.widgetValues));
    refuseUnknownChoice(classType, described, specs);
    await load(classType, inputs, context);
    const types = (described.output ?? []) as Json[];
    if (types.includes('CONDITIONING')) await encode(inputs, context);
    const steps = stepsOf(described, specs, inputs);
    if (steps > 0) await context.useModels(linkedModels(inputs));
    for (let step = 1; step <= steps; step++) await context.step(step, steps);
    const maker = { classType, inputs, mark: markOf(classType, inputs) };
    const names = (described.output_name ?? []) as Json[];
    const outputs: NodeValue[] = [];
    for (const [at, type] of types.entries()) {
      const nth = types.slice(0, at).filter((other) => other === type).length;
      outputs.push(await makeValue(type, String(names[at]), nth, maker));
    }
    if (described.output_node !== true) return { outputs };
    const ui = await (outputWriters[classType] ?? writeLinkedPictures)(maker, context);
    return ui === undefined ? { outputs } : { outputs, ui };
  };
}

/** An unknown choice of a dynamic combo passes ComfyUI's validation, but its argument is then missing at execution. */
function refuseUnknownChoice(classType: string, described: JsonObject, specs: ReadonlyMap<string, NodeInput>): void {
  const required = (described.input as JsonObject | undefined)?.required ?? {};
  for (const [name, pair] of Object.entries(required as Record<string, Json[]>)) {
    if (pair[0] !== 'COMFY_DYNAMICCOMBO_V3' || specs.has(name)) continue;
    const message = `${classType}.execute() missing 1 required positional argument: '${name}'`;
    throw new NodeError('TypeError', message);
  }
}

async function load(classType: string, inputs: NodeInputs, context: NodeContext): Promise<void> {
  for (const [name, file] of inputs.widgetValues) {
    const folder = modelFolder(classType, name);
    if (folder === undefined || typeof file !== 'string') continue;
    if (folder === 'checkpoints' || folder === 'diffusion_models') await context.loadModel(file);
    else if (folder === 'loras') await context.loadLora(file);
    else await context.loadSmallModel(file);
  }
}

async function encode(inputs: NodeInputs, context: NodeContext): Promise<void> {
  for (const value of inputs.linkedValues) if (value.kind === 'clip') await context.encode(value.files);
}

function linkedModels(inputs: NodeInputs): string[] {
  return inputs.linkedValues.flatMap((value) => (value.kind === 'model' ? [value.name] : []));
}

/**
 * The value of the widget `steps`; one step for nodes that use a model to make pictures and the like; none for others.
 */
function stepsOf(described: JsonObject, specs: ReadonlyMap<string, NodeInput>, inputs: NodeInputs): number {
  const makes = (described.output as Json[] | undefined)?.some((type) => HEAVY_OUTPUTS.includes(String(type)));
  const needs = [...specs.values()].some(({ type }) => HEAVY_INPUTS.includes(String(type)));
  if (makes !== true || !(needs || described.api_node === true)) return 0;
  return specs.has('steps') ? Math.max(1, Math.round(inputs.number('steps', 1))) : 1;
}

/** Classes with their own implementation. All others are simulated by their signature. */
export const nodeRunners: Readonly<Record<string, NodeRunner>> = {
  ...loaders,
  ...conditioning,
  ...latents,
  ...sampling,
  ...images,
  ...primitives,
  ...saving,
  ...probes,
};
