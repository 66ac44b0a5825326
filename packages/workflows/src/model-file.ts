/**
 * The extensions of what ComfyUI lists in its folders of models (folder_paths.py, supported_pt_extensions), and of the
 * formats that custom loaders add.
 */
const MODEL_FILE = /\.(safetensors|sft|ckpt|pt2?|pth|bin|pkl|gguf|onnx)$/i;

/** A name that a graph gives for a model file. */
export function isModelFile(value: unknown): value is string {
  return typeof value === 'string' && MODEL_FILE.test(value);
}
