import { describe, expect, it } from 'vitest';
import { executionError } from '../src/execution-error.js';

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

  it('keeps what the exception was, and of the traceback the end, without paths of the machine', () => {
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

  it('bounds a message that does not end', () => {
    expect(read('E', 'y'.repeat(100_000)).detail.length).toBeLessThan(500);
  });

  it('names the exception when it has no message', () => {
    expect(read('KeyError', '').detail).toBe('KSampler 5 failed: KeyError');
  });

  it('does without a node when ComfyUI names none', () => {
    const error = executionError({}, {});
    expect(error.detail).toBe('A node failed: no reason given');
    expect(error.nodeId).toBeUndefined();
  });
});
