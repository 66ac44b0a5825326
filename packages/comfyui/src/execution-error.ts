import { type ErrorCode, FleetError } from '@comfy-fleet/contracts';
import { plainLines, plainText } from './errors.js';
import { type Graph, nameInGraph } from './graph.js';
import { listOr, objectOr, textOr } from './json.js';

/** How many entries of a traceback are kept, of at most 400 characters each: the last ones show where it happened. */
const MOST_TRACED = 12;

const FAULTS: Readonly<Record<Exclude<MachineFault, 'out_of_memory'>, (at: string) => string>> = {
  gpu_failed: (at) => `The GPU failed at ${at}`,
  model_unreadable: (at) => `A model file could not be read at ${at}`,
  instance_io_failed: (at) => `The disk of the instance failed at ${at}`,
  library_missing: (at) => `${at} lacks a library on the instance`,
};

/**
 * Converts the data of an `execution_error` to a fault of the machine or `node_execution_error`. Omits the node's
 * inputs.
 */
export function executionError(data: unknown, graph: Graph): FleetError {
  const { node_id, node_type, exception_message, exception_type, traceback } = objectOr(data);
  const id = textOr(node_id);
  const type = textOr(exception_type) ?? '';
  const raw = textOr(exception_message) ?? '';
  const message = plainText(raw);
  const at = id === undefined ? 'A node' : nameInGraph(graph, id, textOr(node_type));
  const exception = { type, message, nodeClass: textOr(node_type) ?? '', traceback: lastOf(traceback) };
  const options = id === undefined ? { exception } : { nodeId: id, exception };
  const reason = message || type || 'no reason given';
  const fault = machineFault(type, raw, graph);
  if (fault === undefined) return new FleetError('node_execution_error', `${at} failed: ${reason}`, options);
  if (fault === 'out_of_memory') return new FleetError(fault, `The GPU ran out of memory at ${at}.`, options);
  return new FleetError(fault, `${FAULTS[fault](at)}: ${reason}`, options);
}

function lastOf(traceback: unknown): string[] {
  const lines = listOr(traceback).filter((line) => typeof line === 'string');
  return lines.slice(-MOST_TRACED).map(plainLines);
}

/** Errors of a node for which the machine is at fault, not the workflow; see ERROR_CATALOGUE. */
export type MachineFault = Extract<
  ErrorCode,
  'out_of_memory' | 'gpu_failed' | 'model_unreadable' | 'instance_io_failed' | 'library_missing'
>;

/** Longer messages are cut before they are searched. */
const MOST_CHARS = 4000;

const FILE_TYPE =
  /(?:^|\.)(?:OSError|IOError|FileNotFoundError|PermissionError|EOFError|BlockingIOError|TimeoutError)$/;
/**
 * Exceptions that libraries raise for any problem, so that only the message shows the cause. Invalid input raises
 * others (ValueError, TypeError, KeyError, …), whose messages prove nothing about the machine.
 */
const GENERAL_TYPE =
  /^(?:RuntimeError|Exception|AssertionError|SystemError)$|^(?:torch|safetensors\w*|triton|onnxruntime|cupy\w*)\./;

const MEMORY_TYPE = /(?:^|\.)OutOfMemoryError$/;
const MEMORY_MESSAGE = /\bout of memory\b|Allocation on device|_STATUS_ALLOC_FAILED\b/i;

const GPU_TYPE = /(?:^|\.)(?:AcceleratorError|CudaError|CUDARuntimeError|DeferredCudaCallError)$/;
const GPU_MESSAGE = new RegExp(
  [
    // "CUDA error: …", "CUDA driver error: …", "HIP error: …", "cuDNN error: …", "CUDA failure 999: …"
    String.raw`\b(?:CUDA|HIP|ROCm|cuDNN|cuBLAS|cuFFT|cuSOLVER|cuSPARSE|NCCL|MIOpen|NVRTC|NVML|XPU|Metal)(?: \w+){0,2} (?:error|failure)\b`,
    String.raw`\b(?:CUDNN|CUBLAS|CUFFT|CUSOLVER|CUSPARSE|HIPBLAS|MIOPEN|ROCBLAS)_(?:STATUS_)?\w+`,
    String.raw`\bcuda(?:Error|Get|Malloc|Memcpy|Launch|Stream)[A-Z]?\w*\b.*\b(?:fail|error)`,
    String.raw`\bMPS backend\b.*\b(?:error|fail)|\bMPS(?:NDArray|Graph|Matrix)\w*\b.*\b(?:fail|assert)|\bMTLCommandBuffer\b`,
    'side assert triggered',
    'illegal memory access|illegal instruction was encountered|illegal address|misaligned address',
    'unspecified launch failure|launch timed out',
    'no kernel image is available',
    'uncorrectable (?:NVLink|ECC) error|fallen off the bus|device (?:was|is) lost',
    'no (?:CUDA|HIP)[- ]capable device|No (?:CUDA|HIP) GPUs are available|CUDA-capable device\\(s\\)',
    String.raw`\b(?:NVIDIA|AMD|GPU|CUDA|graphics)\b.{0,20}\bdriver\b`,
    'not compiled with CUDA enabled',
  ].join('|'),
  'i',
);

const MODEL_FILE = /\.(?:safetensors|sft|ckpt|gguf|pth?|bin|onnx)\b/i;
const MODEL_TYPE = /(?:^|\.)(?:SafetensorError|UnpicklingError)$/;
const MODEL_MESSAGE = new RegExp(
  [
    'HeaderTooLarge|HeaderTooSmall|InvalidHeader|MetadataIncompleteBuffer|deserializing header',
    'header too (?:large|small)',
    'PytorchStreamReader|invalid load key|central directory|unexpected EOF, expected',
    'Model in folder .* not found',
  ].join('|'),
  'i',
);
/** ComfyUI's own message about a safetensors file, which it raises as a ValueError. */
const MODEL_ADVICE = /file is corrupt or invalid/;

const FULL_MESSAGE = /No space left on|Disk quota exceeded|\[Errno (?:28|122)\]/i;
const IO_MESSAGE =
  /Input\/output error|Read-only file system|Stale file handle|Structure needs cleaning|Transport endpoint is not connected|Too many open files|\[Errno (?:5|23|24|30|116|117)\]/i;

const LIBRARY_TYPE = /(?:^|\.)(?:ModuleNotFoundError|ImportError)$/;
const LIBRARY_MESSAGE = /No module named|cannot open shared object file|DLL load failed|undefined symbol:/i;

/**
 * The fault of the machine that an exception of a node reports; undefined if there is none known. The type of the
 * exception decides where possible. Otherwise the message does, without the parts that it repeats from the graph,
 * because the caller chose these.
 */
export function machineFault(type: string, message: string, graph: unknown): MachineFault | undefined {
  const read = message.slice(0, MOST_CHARS);
  // Usually nothing matches, which saves the comparison with a large graph.
  return faultIn(type, read, read) && faultIn(type, read, withoutCallerWords(read, graph));
}

/** Whether the type of the exception shows that the GPU ran out of memory. Callers cannot choose the type. */
export function isMemoryType(type: string): boolean {
  return MEMORY_TYPE.test(type);
}

function faultIn(type: string, message: string, ownWords: string): MachineFault | undefined {
  const isOfFile = FILE_TYPE.test(type);
  const says = (pattern: RegExp) => (isOfFile || GENERAL_TYPE.test(type)) && pattern.test(ownWords);
  if (MEMORY_TYPE.test(type) || says(MEMORY_MESSAGE)) return 'out_of_memory';
  if (says(FULL_MESSAGE)) return 'instance_io_failed';
  if (MODEL_TYPE.test(type) || says(MODEL_MESSAGE) || MODEL_ADVICE.test(ownWords)) return 'model_unreadable';
  // The file's name comes from the graph, so the full message is searched.
  if (isOfFile && MODEL_FILE.test(message)) return 'model_unreadable';
  if (says(IO_MESSAGE)) return 'instance_io_failed';
  if (LIBRARY_TYPE.test(type) || says(LIBRARY_MESSAGE)) return 'library_missing';
  return GPU_TYPE.test(type) || says(GPU_MESSAGE) ? 'gpu_failed' : undefined;
}

/** A run of this many letters and digits that a message shares with the graph counts as the caller's. */
const RUN_LENGTH = 6;
/** Digits and letters, ignoring case. */
const DIGITS = 36;
const LAST_OF_RUN = DIGITS ** (RUN_LENGTH - 1);

/**
 * Blanks the parts of a message that repeat texts of the graph. Only letters and digits are compared, because Python
 * may quote or escape the rest. This cannot be complete: a graph can also compute a text.
 */
function withoutCallerWords(message: string, graph: unknown): string {
  const places = new Map<number, number[]>();
  eachRun(message, (run, end) => places.set(run, [...(places.get(run) ?? []), end]));
  const letters = message.split('');
  eachText(graph, (text) =>
    eachRun(text, (run) => {
      for (const end of places.get(run) ?? []) blank(letters, end);
      places.delete(run);
    }),
  );
  return letters.join('');
}

function blank(letters: string[], end: number): void {
  for (let at = end, left = RUN_LENGTH; left > 0 && at >= 0; at -= 1) {
    // Letters blanked by an overlapping run count; other characters are not blanked.
    const isLetter = letters[at] === '\0' || digitOf(letters[at]?.charCodeAt(0) ?? 0) >= 0;
    if (!isLetter) continue;
    letters[at] = '\0';
    left -= 1;
  }
}

/** Each run as an exact number, and where it ends in the text. */
function eachRun(text: string, visit: (run: number, end: number) => void): void {
  let run = 0;
  let length = 0;
  for (let at = 0; at < text.length; at += 1) {
    const digit = digitOf(text.charCodeAt(at));
    if (digit < 0) continue;
    run = (run % LAST_OF_RUN) * DIGITS + digit;
    length += 1;
    if (length >= RUN_LENGTH) visit(run, at);
  }
}

function digitOf(char: number): number {
  if (char >= 48 && char <= 57) return char - 48;
  if (char >= 97 && char <= 122) return char - 87;
  return char >= 65 && char <= 90 ? char - 55 : -1;
}

/** Every text in a JSON value, at any depth. Names of inputs do not count, because "device" is one. */
function eachText(value: unknown, visit: (text: string) => void): void {
  const left = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (typeof next === 'string') visit(next);
    else if (typeof next === 'object' && next !== null) for (const item of Object.values(next)) left.push(item);
  }
}
