import type { FaultBook } from '../faults.js';
import { SAMPLER_CLASSES } from '../nodes/sampling.js';
import type { RunControl } from './control.js';
import { NodeError, outOfMemory } from './node-error.js';

export interface FaultTarget {
  readonly id: string;
  readonly classType: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Whether a fault without `node` applies: to samplers, or to outputs if the prompt has no sampler. */
  readonly isDefault: boolean;
}

/** Faults that strike after the middle step of a sampler, and at the start of other nodes. */
export type MiddleFault = 'crash' | 'lost_prompt';

/** How often a hanging node checks whether its fault was removed. */
const HANG_MS = 20;

/** Applies the faults planted for this node: throws, hangs, or returns the fault that strikes midway. */
export async function applyFaults(
  target: FaultTarget,
  faults: FaultBook,
  control: RunControl,
  vramBytes: number,
): Promise<MiddleFault | undefined> {
  const applies = ({ node }: { node?: string }) =>
    node === undefined ? target.isDefault : node === target.id || node === target.classType;
  const values = Object.values(target.inputs);
  if (faults.take('corrupt_model', ({ file }) => values.includes(file)) !== undefined) {
    throw new NodeError('safetensors_rust.SafetensorError', 'Error while deserializing header: HeaderTooLarge');
  }
  const error = faults.take('node_error', applies);
  if (error !== undefined) throw new NodeError(error.exceptionType ?? 'RuntimeError', error.message ?? 'planted fault');
  if (faults.take('out_of_memory', applies) !== undefined) throw outOfMemory(vramBytes);
  const hang = faults.take('hang', applies);
  if (hang !== undefined) {
    const interruptible = hang.ignoresInterrupts !== true;
    if (hang.ms !== undefined || hang.times !== undefined) {
      await control.wait(hang.ms ?? Number.POSITIVE_INFINITY, interruptible);
    } else
      while (faults.has(hang) && !(interruptible && control.isInterrupted)) await control.wait(HANG_MS, interruptible);
    control.check();
  }
  if (faults.take('crash', applies) !== undefined) return 'crash';
  return faults.take('lost_prompt', applies) === undefined ? undefined : 'lost_prompt';
}

export function isSampler(classType: string): boolean {
  return SAMPLER_CLASSES.has(classType);
}
