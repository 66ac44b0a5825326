import { expect, it } from 'vitest';
import { machineFault } from '../src/machine-fault.js';

it.each([
  ['gpu_failed', 'RuntimeError', 'CUDA error: an illegal memory access was encountered'],
  ['gpu_failed', 'torch.AcceleratorError', 'CUDA error: device-side assert triggered'],
  ['gpu_failed', 'RuntimeError', 'CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronous'],
  ['gpu_failed', 'RuntimeError', 'CUDA driver error: invalid argument'],
  ['gpu_failed', 'RuntimeError', 'cuDNN error: CUDNN_STATUS_INTERNAL_ERROR'],
  ['gpu_failed', 'RuntimeError', 'GET was unable to find an engine: CUDNN_STATUS_EXECUTION_FAILED'],
  ['gpu_failed', 'RuntimeError', 'CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`'],
  ['gpu_failed', 'RuntimeError', 'HIP error: the operation cannot be performed in the present state'],
  ['gpu_failed', 'RuntimeError', 'MIOpen Error: miopenStatusUnknownError'],
  ['gpu_failed', 'RuntimeError', 'MPS backend failed to execute the command buffer'],
  ['gpu_failed', 'RuntimeError', 'Found no NVIDIA driver on your system.'],
  ['gpu_failed', 'RuntimeError', 'The NVIDIA driver on your system is too old (found version 11040).'],
  ['gpu_failed', 'RuntimeError', 'No CUDA GPUs are available'],
  ['gpu_failed', 'AssertionError', 'Torch not compiled with CUDA enabled'],
  ['gpu_failed', 'RuntimeError', 'CUDA error: no kernel image is available for execution on the device'],
  ['gpu_failed', 'RuntimeError', 'NCCL Error 1: unhandled cuda error'],
  ['instance_io_failed', 'OSError', '[Errno 28] No space left on device'],
  ['instance_io_failed', 'OSError', "[Errno 28] No space left on device: '/models/x.safetensors'"],
  ['instance_io_failed', 'OSError', '[Errno 5] Input/output error'],
  ['instance_io_failed', 'OSError', "[Errno 30] Read-only file system: '/out/a.png'"],
  ['instance_io_failed', 'OSError', "[Errno 24] Too many open files: 'a.png'"],
  ['model_unreadable', 'safetensors_rust.SafetensorError', 'Error while deserializing header: HeaderTooLarge'],
  ['model_unreadable', 'SafetensorError', 'Error while deserializing header: MetadataIncompleteBuffer'],
  [
    'model_unreadable',
    'ValueError',
    'The safetensors file is corrupt or invalid. Make sure this is a safetensors file',
  ],
  [
    'model_unreadable',
    'RuntimeError',
    'PytorchStreamReader failed reading zip archive: failed finding central directory',
  ],
  ['model_unreadable', '_pickle.UnpicklingError', "invalid load key, '<'."],
  ['model_unreadable', 'OSError', "[Errno 5] Input/output error: '/models/checkpoints/x.safetensors'"],
  ['model_unreadable', 'PermissionError', "[Errno 13] Permission denied: '/models/vae/x.pt'"],
  ['model_unreadable', 'FileNotFoundError', "Model in folder 'checkpoints' with filename 'x.safetensors' not found."],
  ['library_missing', 'ModuleNotFoundError', "No module named 'insightface'"],
  ['library_missing', 'ImportError', 'libGL.so.1: cannot open shared object file: No such file or directory'],
  ['library_missing', 'OSError', 'libcudart.so.12: cannot open shared object file: No such file or directory'],
])('is %s of a %s: %s', (fault, type, message) => {
  expect(machineFault(type, message, {})).toBe(fault);
});

it.each([
  ['ValueError', 'bad latent'],
  ['RuntimeError', 'planted fault'],
  ['RuntimeError', 'Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!'],
  ['RuntimeError', 'mat1 and mat2 shapes cannot be multiplied (77x768 and 1024x320)'],
  ['RuntimeError', 'Input type (torch.cuda.HalfTensor) and weight type (torch.cuda.FloatTensor) should be the same'],
  ['NotImplementedError', "The operator 'aten::x' is not currently implemented for the MPS device: error"],
  ['TypeError', "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."],
  ['RuntimeError', 'ERROR: Could not detect model type of: x.safetensors'],
  ['FileNotFoundError', "[Errno 2] No such file or directory: '/input/a.png'"],
  ['PIL.UnidentifiedImageError', "cannot identify image file '/input/a.png'"],
  ['OSError', 'image file is truncated (42 bytes not processed)'],
  ['Exception', "The 'cuda' option of this node is an error of the user"],
  ['KeyError', "'driver'"],
  ['IndexError', 'list index out of range'],
  ['av.error.InvalidDataError', '[Errno 1094995529] Invalid data found when processing input'],
])('is none of a %s: %s', (type, message) => {
  expect(machineFault(type, message, {})).toBeUndefined();
});

const TEXTS = [
  ['RuntimeError', 'CUDA error: an illegal memory access was encountered'],
  ['RuntimeError', 'CUDA out of memory. Tried to allocate 2.00 GiB'],
  ['OSError', '[Errno 28] No space left on device'],
  ['RuntimeError', 'PytorchStreamReader failed finding central directory'],
  ['Exception', 'libGL.so.1: cannot open shared object file'],
] as const;

const graphWith = (...texts: string[]) => ({
  '1': { class_type: 'Any', inputs: { list: [texts[0]], deep: { texts } }, _meta: { title: 'T' } },
});

it.each(TEXTS)('is none of a %s whose message repeats texts of the graph: %s', (type, text) => {
  expect(machineFault(type, text, graphWith('a photo of a cat'))).toBeDefined();
  const half = Math.ceil(text.length / 2);
  const disguises = [
    [text, text],
    [`Invalid expression: '${text.toUpperCase()}'`, `(((${text})))`],
    [`could not evaluate "${text.replaceAll(' ', '\\n')}"`, text.replaceAll(' ', '\n')],
    [`${text.slice(0, half)}${text.slice(half)}`, text.slice(half), text.slice(0, half)],
  ] as const;
  for (const [message, ...texts] of disguises) {
    expect(machineFault(type, message, graphWith(...texts)), message).toBeUndefined();
  }
});

it.each([
  ['ValueError', 'Invalid expression: No space left on device'],
  ['simpleeval.NameNotDefined', "'CUDA error: device-side assert triggered' is not defined"],
  ['KeyError', "'out of memory'"],
  ['re.error', 'No module named x at position 3'],
  ['json.decoder.JSONDecodeError', 'Allocation on device: line 1 column 1'],
])('is none of a %s, which says nothing about the machine: %s', (type, message) => {
  expect(machineFault(type, message, {})).toBeUndefined();
});

it.each([
  ['out_of_memory', 'torch.OutOfMemoryError', 'CUDA out of memory', 'out of memory'],
  ['gpu_failed', 'torch.AcceleratorError', 'CUDA error: device-side assert triggered', 'CUDA error: device'],
  ['model_unreadable', 'SafetensorError', 'Error while deserializing header', 'deserializing header'],
  ['model_unreadable', 'ValueError', 'The safetensors file is corrupt or invalid.', 'sd15.safetensors'],
  ['model_unreadable', 'OSError', "[Errno 5] Input/output error: '/models/sd15.safetensors'", 'sd15.safetensors'],
  ['gpu_failed', 'RuntimeError', 'CUDA error: an illegal memory access was encountered', 'a memory of a device'],
])('is %s of a %s whatever else the graph says: %s', (fault, type, message, text) => {
  expect(machineFault(type, message, graphWith(text))).toBe(fault);
});
