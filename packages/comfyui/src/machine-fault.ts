import type { ErrorCode } from '@comfy-fleet/contracts';
import { withoutCallerWords } from './caller-words.js';

/** Errors of a node that are the machine's, not the workflow's; see ERROR_CATALOGUE. */
export type MachineFault = Extract<
  ErrorCode,
  'out_of_memory' | 'gpu_failed' | 'model_unreadable' | 'instance_io_failed' | 'library_missing'
>;

/** Longer messages are cut before they are searched. */
const MOST_CHARS = 4000;

const FILE_TYPE =
  /(?:^|\.)(?:OSError|IOError|FileNotFoundError|PermissionError|EOFError|BlockingIOError|TimeoutError)$/;
/**
 * Exceptions that libraries raise for whatever goes wrong, so that only the message says what it was. Input that makes no
 * sense raises others (ValueError, TypeError, KeyError, …): their messages say nothing about the machine.
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
/** ComfyUI's own sentence about a safetensors file, which it raises as a ValueError. */
const MODEL_ADVICE = /file is corrupt or invalid/;

const FULL_MESSAGE = /No space left on|Disk quota exceeded|\[Errno (?:28|122)\]/i;
const IO_MESSAGE =
  /Input\/output error|Read-only file system|Stale file handle|Structure needs cleaning|Transport endpoint is not connected|Too many open files|\[Errno (?:5|23|24|30|116|117)\]/i;

const LIBRARY_TYPE = /(?:^|\.)(?:ModuleNotFoundError|ImportError)$/;
const LIBRARY_MESSAGE = /No module named|cannot open shared object file|DLL load failed|undefined symbol:/i;

/**
 * Which fault of its machine the exception of a node reports; undefined when it is not known to be one. The type of the
 * exception decides where it can. Where only the message can, what it repeats of the graph does not count, since the
 * caller chose it.
 */
export function machineFault(type: string, message: string, graph: unknown): MachineFault | undefined {
  const read = message.slice(0, MOST_CHARS);
  // Mostly there is nothing to find, and then a large graph need not be compared.
  return faultIn(type, read, read) && faultIn(type, read, withoutCallerWords(read, graph));
}

/** Whether the GPU ran out of memory by the type of the exception, which no caller chooses. */
export function isMemoryType(type: string): boolean {
  return MEMORY_TYPE.test(type);
}

function faultIn(type: string, message: string, ownWords: string): MachineFault | undefined {
  const isOfFile = FILE_TYPE.test(type);
  const says = (pattern: RegExp) => (isOfFile || GENERAL_TYPE.test(type)) && pattern.test(ownWords);
  if (MEMORY_TYPE.test(type) || says(MEMORY_MESSAGE)) return 'out_of_memory';
  if (says(FULL_MESSAGE)) return 'instance_io_failed';
  if (MODEL_TYPE.test(type) || says(MODEL_MESSAGE) || MODEL_ADVICE.test(ownWords)) return 'model_unreadable';
  // The name of the file comes from the graph.
  if (isOfFile && MODEL_FILE.test(message)) return 'model_unreadable';
  if (says(IO_MESSAGE)) return 'instance_io_failed';
  if (LIBRARY_TYPE.test(type) || says(LIBRARY_MESSAGE)) return 'library_missing';
  return GPU_TYPE.test(type) || says(GPU_MESSAGE) ? 'gpu_failed' : undefined;
}
