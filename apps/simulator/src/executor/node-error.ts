import { pythonRepr } from '@comfy-fleet/workflows';
import type { NodeValue } from '../nodes/values.js';
import type { Graph, GraphNode } from '../prompt-queue.js';
import { Float, isObject, type Json, type JsonObject } from '../python.js';

/** An exception of a running node, which is reported as execution_error. */
export class NodeError extends Error {
  readonly exceptionType: string;
  /** `file:line function` of the frames below the executor's own, outermost first. */
  readonly frames: readonly string[];

  constructor(exceptionType: string, message: string, frames: readonly string[] = []) {
    super(message);
    this.exceptionType = exceptionType;
    this.frames = frames;
  }
}

const EXECUTOR_FRAMES = {
  '0.3.64': [496, 315, 289, 277],
  '0.33.0': [545, 344, 318, 306],
} as const;
const EXECUTOR_FUNCTIONS = ['execute', 'get_output_data', '_async_map_node_over_list', 'process_inputs'];

/** The traceback in the form of Python's format_tb, without source lines, as in the recordings. */
export function nodeTraceback(error: NodeError, version: keyof typeof EXECUTOR_FRAMES): string[] {
  const own = EXECUTOR_FRAMES[version].map((line, at) =>
    frame('<COMFYUI>/execution.py', line, EXECUTOR_FUNCTIONS[at] ?? ''),
  );
  const below = error.frames.map((text) => {
    const [, file = '', line = '0', name = ''] = /^(.*):(\d+) (.*)$/.exec(text) ?? [];
    return frame(file, Number(line), name);
  });
  return [...own, ...below];
}

function frame(file: string, line: number, name: string): string {
  return `  File "${file}", line ${line}, in ${name}\n    <source line left out>\n`;
}

const TIPS =
  'This error means you ran out of memory on your GPU.\n\nTIPS: If the workflow worked before you might have accidentally set the batch_size to a large number.';

/** CUDA's out-of-memory error as ComfyUI reports it. */
export function outOfMemory(vramBytes: number): NodeError {
  const gib = (bytes: number) => `${(bytes / 1024 ** 3).toFixed(2)} GiB`;
  const text = [
    'Allocation on device 0 would exceed allowed memory. (out of memory)',
    `Currently allocated     : ${gib(vramBytes * 0.97)}`,
    `Requested               : ${gib(vramBytes * 0.1)}`,
    `Device limit            : ${gib(vramBytes)}`,
    'Free (according to CUDA): 19.19 MiB',
    'PyTorch limit (set by user-supplied memory fraction)',
    '                        : 17179869184.00 GiB',
  ].join('\n');
  return new NodeError('torch.OutOfMemoryError', `${text}\n${TIPS}`);
}

const WITH_HIDDEN_INPUTS = new Set(['SaveImage', 'PreviewImage']);

/**
 * The inputs of a failed node as execution_error shows them: a list for each, with Python's repr of values that are not
 * JSON. Values for inputs that the class does not have are left out.
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

/** Prints only the first pixel. Torch leaves out most of them, too. */
function tensor(frame: Buffer): string {
  const pixel = [...frame.subarray(0, 3)].map((byte) => pythonRepr(new Float(Math.round((byte / 255) * 1e4) / 1e4)));
  return `tensor([[[[${pixel.join(', ')}],\n          ...]]])`;
}
