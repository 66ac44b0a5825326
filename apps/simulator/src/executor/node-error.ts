/** What a node raised while it ran; becomes an execution_error. */
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

/** The traceback as Python's format_tb gives it; the recordings leave the source lines out, and here there are none. */
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
