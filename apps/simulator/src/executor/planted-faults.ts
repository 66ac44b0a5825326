import type { FaultBook } from '../faults.js';
import { SAMPLER_CLASSES } from '../nodes/sampling.js';
import type { RunControl } from './control.js';
import { NodeError, outOfMemory } from './node-error.js';

export interface FaultTarget {
  readonly id: string;
  readonly classType: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Whether a fault that names no node means this one: the sampler, or an output of a prompt that samples nothing. */
  readonly isDefault: boolean;
}

/** What happens at the end of the middle step of a sampler; other nodes suffer it at their start. */
export type MiddleFault = 'crash' | 'lost_prompt';

/** How often one that hangs until its fault is removed looks whether it was. */
const HANG_MS = 20;

/** The faults planted for this node: throws, hangs, or returns what is to happen in its middle. */
export async function meetFaults(
  target: FaultTarget,
  faults: FaultBook,
  control: RunControl,
  vramBytes: number,
): Promise<MiddleFault | undefined> {
  const meant = ({ node }: { node?: string }) =>
    node === undefined ? target.isDefault : node === target.id || node === target.classType;
  const values = Object.values(target.inputs);
  if (faults.take('corrupt_model', ({ file }) => values.includes(file)) !== undefined) {
    throw new NodeError('safetensors_rust.SafetensorError', 'Error while deserializing header: HeaderTooLarge');
  }
  const error = faults.take('node_error', meant);
  if (error !== undefined) throw new NodeError(error.exceptionType ?? 'RuntimeError', error.message ?? 'planted fault');
  if (faults.take('out_of_memory', meant) !== undefined) throw outOfMemory(vramBytes);
  const hang = faults.take('hang', meant);
  if (hang !== undefined) {
    const interruptible = hang.ignoresInterrupts !== true;
    if (hang.ms !== undefined || hang.times !== undefined) {
      await control.pass(hang.ms ?? Number.POSITIVE_INFINITY, interruptible);
    } else
      while (faults.has(hang) && !(interruptible && control.isInterrupted)) await control.pass(HANG_MS, interruptible);
    control.check();
  }
  if (faults.take('crash', meant) !== undefined) return 'crash';
  return faults.take('lost_prompt', meant) === undefined ? undefined : 'lost_prompt';
}

export function isSampler(classType: string): boolean {
  return SAMPLER_CLASSES.has(classType);
}
