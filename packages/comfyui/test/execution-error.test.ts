import { describe, expect, it } from 'vitest';
import { executionError, machineFault } from '../src/execution-error.js';

const read = (exception_type: string, exception_message: string) =>
  executionError({ node_id: '5', node_type: 'KSampler', exception_type, exception_message }, {});

describe('executionError', () => {
  it.each([
    ['torch.OutOfMemoryError', 'Allocation on device 0 would exceed allowed memory.'],
    ['torch.cuda.OutOfMemoryError', 'CUDA out of memory. Tried to allocate 2.00 GiB.'],
    ['OutOfMemoryError', ''],
    ['RuntimeError', 'CUDA error: out of memory'],
    ['RuntimeError', 'MPS backend out of memory (MPS allocated: 9 GB)'],
    ['Exception', 'Allocation on device'],
  ])('is out_of_memory when the exception is %s: %s', (type, message) => {
    const error = read(type, message);
    expect(error.code).toBe('out_of_memory');
    expect(error.detail).toBe('The GPU ran out of memory at KSampler 5.');
    expect(error.nodeId).toBe('5');
  });

  it('keeps node_execution_error for other exceptions, on one line', () => {
    const error = read(
      'ValueError',
      '**** ERROR: no.\n full_output_folder: /outside\n  output_dir: /home/x/ComfyUI/output\n',
    );
    expect(error.code).toBe('node_execution_error');
    expect(error.detail).toBe('KSampler 5 failed: **** ERROR: no. full_output_folder: /outside output_dir: output');
  });

  it('keeps the exception and the end of the traceback, without paths of the machine', () => {
    const traceback = Array.from(
      { length: 30 },
      (_, n) => `  File "/home/x/ComfyUI/execution.py", line ${n}, in execute\n`,
    );
    const data = {
      node_id: '5',
      node_type: 'KSampler',
      exception_type: 'ValueError',
      exception_message: 'no.\n',
      traceback,
    };
    const { exception } = executionError(data, {});
    expect(exception).toMatchObject({ type: 'ValueError', message: 'no.', nodeClass: 'KSampler' });
    expect(exception?.traceback).toHaveLength(12);
    expect(exception?.traceback.at(-1)).toBe('  File "execution.py", line 29, in execute\n');
    expect(executionError({}, {}).exception).toEqual({ type: '', message: '', nodeClass: '', traceback: [] });
  });

  it('shortens an endless message', () => {
    expect(read('E', 'y'.repeat(100_000)).detail.length).toBeLessThan(500);
  });

  it('names the exception when it has no message', () => {
    expect(read('KeyError', '').detail).toBe('KSampler 5 failed: KeyError');
  });

  it('omits the node when ComfyUI names none', () => {
    const error = executionError({}, {});
    expect(error.detail).toBe('A node failed: no reason given');
    expect(error.nodeId).toBeUndefined();
  });
});

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
