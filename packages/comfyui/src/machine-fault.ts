import type { ErrorCode } from '@comfy-fleet/contracts';

/** Errors of a node that are the machine's, not the workflow's; see ERROR_CATALOGUE. */
export type MachineFault = Extract<
  ErrorCode,
  'gpu_failed' | 'model_unreadable' | 'instance_io_failed' | 'library_missing'
>;

/** What a backend cannot do says nothing about whether it works. */
const UNSUPPORTED_TYPE = /(?:^|\.)(?:NotImplementedError|TypeError)$/;

const GPU_TYPE = /(?:^|\.)(?:AcceleratorError|CudaError|CUDARuntimeError|DeferredCudaCallError)$/;
const GPU_MESSAGE = new RegExp(
  [
    // "CUDA error: …", "CUDA driver error: …", "HIP error: …", "cuDNN error: …", "CUDA failure 999: …"
    String.raw`\b(?:CUDA|HIP|ROCm|cuDNN|cuBLAS|cuFFT|cuSOLVER|cuSPARSE|NCCL|MIOpen|NVRTC|NVML|XPU|Metal)(?: \w+){0,2} (?:error|failure)\b`,
    String.raw`\b(?:CUDNN|CUBLAS|CUFFT|CUSOLVER|CUSPARSE|HIPBLAS|MIOPEN|ROCBLAS)_(?:STATUS_)?\w+`,
    String.raw`\bcuda(?:Error|Get|Malloc|Memcpy|Launch|Stream)[A-Z]?\w*\b.*\b(?:fail|error)`,
    String.raw`\bMPS backend\b.*\b(?:error|fail)|\bMPS(?:NDArray|Graph|Matrix)\w*\b.*\b(?:fail|assert)|\bMTLCommandBuffer\b`,
    'device-side assert',
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
const FILE_TYPE =
  /(?:^|\.)(?:OSError|IOError|FileNotFoundError|PermissionError|EOFError|BlockingIOError|TimeoutError)$/;
const MODEL_TYPE = /(?:^|\.)(?:SafetensorError|UnpicklingError)$/;
const MODEL_MESSAGE = new RegExp(
  [
    'HeaderTooLarge|HeaderTooSmall|InvalidHeader|MetadataIncompleteBuffer|deserializing header',
    'safetensors file is corrupt|header too (?:large|small)',
    'PytorchStreamReader|invalid load key|central directory|unexpected EOF, expected',
    'Model in folder .* not found',
  ].join('|'),
  'i',
);

const FULL_MESSAGE = /No space left on device|Disk quota exceeded|\[Errno (?:28|122)\]/i;
const IO_MESSAGE =
  /Input\/output error|Read-only file system|Stale file handle|Structure needs cleaning|Transport endpoint is not connected|Too many open files|\[Errno (?:5|23|24|30|116|117)\]/i;

const LIBRARY_TYPE = /(?:^|\.)(?:ModuleNotFoundError|ImportError)$/;
const LIBRARY_MESSAGE = /No module named|cannot open shared object file|DLL load failed|undefined symbol:/i;

/**
 * Which fault of its machine the exception of a node tells of; undefined when it is not known to be one. Not for what
 * tells of memory. What is not recognized costs a job more than what is recognized wrongly: such a job only goes to
 * another instance, and what fails alike there is the job's fault all the same.
 */
export function machineFault(type: string, message: string): MachineFault | undefined {
  if (FULL_MESSAGE.test(message)) return 'instance_io_failed';
  if (MODEL_TYPE.test(type) || MODEL_MESSAGE.test(message)) return 'model_unreadable';
  if (FILE_TYPE.test(type) && MODEL_FILE.test(message)) return 'model_unreadable';
  if (IO_MESSAGE.test(message)) return 'instance_io_failed';
  if (LIBRARY_TYPE.test(type) || LIBRARY_MESSAGE.test(message)) return 'library_missing';
  if (GPU_TYPE.test(type)) return 'gpu_failed';
  return !UNSUPPORTED_TYPE.test(type) && GPU_MESSAGE.test(message) ? 'gpu_failed' : undefined;
}
