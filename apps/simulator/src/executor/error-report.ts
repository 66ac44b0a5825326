import { pythonRepr } from '@comfy-fleet/workflows';
import { Float, isObject, type Json, type JsonObject } from '../json/values.js';
import type { NodeValue } from '../nodes/values.js';
import type { Graph, GraphNode } from '../prompt-queue.js';

const WITH_HIDDEN_INPUTS = new Set(['SaveImage', 'PreviewImage']);

/**
 * The inputs of a failed node as execution_error shows them: a list for each, things that are not JSON by their repr.
 * Values that are no inputs of the class are not passed to it.
 */
export function shownInputs(
  node: GraphNode,
  linked: ReadonlyMap<string, NodeValue>,
  graph: Graph,
  known: ReadonlyMap<string, unknown>,
  extraPngInfo: Json | undefined,
): JsonObject {
  const shown: JsonObject = {};
  for (const [name, value] of Object.entries(node.inputs)) {
    const arrived = linked.get(name);
    if (arrived === undefined && !known.has(name)) continue;
    shown[name] = [arrived === undefined ? value : describe(arrived)];
  }
  if (WITH_HIDDEN_INPUTS.has(node.class_type)) {
    shown.prompt = [pythonRepr(graph)];
    shown.extra_pnginfo = [isObject(extraPngInfo) ? pythonRepr(extraPngInfo) : null];
  }
  return shown;
}

const PYTHON_CLASSES: Partial<Record<NodeValue['kind'], string>> = {
  vae: 'comfy.sd.VAE',
  clip: 'comfy.sd.CLIP',
  model: 'comfy.model_patcher.ModelPatcher',
  controlnet: 'comfy.controlnet.ControlNet',
};

function describe(value: NodeValue): string {
  if (value.kind === 'images') return tensor(value.frames[0] ?? Buffer.alloc(0));
  return `<${PYTHON_CLASSES[value.kind] ?? `comfy.${value.kind}`} object at 0x7f0fd50dd450>`;
}

/** The first pixel stands for the rest, as torch leaves most of them out, too. */
function tensor(frame: Buffer): string {
  const pixel = [...frame.subarray(0, 3)].map((byte) => pythonRepr(new Float(Math.round((byte / 255) * 1e4) / 1e4)));
  return `tensor([[[[${pixel.join(', ')}],\n          ...]]])`;
}
