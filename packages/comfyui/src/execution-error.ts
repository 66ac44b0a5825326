import { FleetError } from '@comfy-fleet/contracts';
import { type MachineFault, machineFault } from './machine-fault.js';
import { plainLines, plainText } from './plain-text.js';
import { listOr, objectOr, textOr } from './shapes.js';

const MEMORY_TYPE = /(?:^|\.)OutOfMemoryError$/;
const MEMORY_MESSAGE = /\bout of memory\b|Allocation on device|_STATUS_ALLOC_FAILED\b/i;

/** Entries of a traceback that are kept, of 400 characters at most: the last ones say where it happened. */
const MOST_TRACED = 12;

const FAULTS: Readonly<Record<MachineFault, (at: string) => string>> = {
  gpu_failed: (at) => `The GPU failed at ${at}`,
  model_unreadable: (at) => `A model file could not be read at ${at}`,
  instance_io_failed: (at) => `The disk of the instance failed at ${at}`,
  library_missing: (at) => `${at} lacks a library on the instance`,
};

/**
 * The data of an `execution_error`, the same in the frame and in history, as `out_of_memory`, as a fault of the machine,
 * or as `node_execution_error`. `nameOf` names a node by id and class. The node's inputs stay out.
 */
export function executionError(
  data: unknown,
  nameOf: (id: string, className: string | undefined) => string,
): FleetError {
  const { node_id, node_type, exception_message, exception_type, traceback } = objectOr(data);
  const id = textOr(node_id);
  const type = textOr(exception_type) ?? '';
  const message = plainText(textOr(exception_message) ?? '');
  const at = id === undefined ? 'A node' : nameOf(id, textOr(node_type));
  const exception = { type, message, nodeClass: textOr(node_type) ?? '', traceback: lastOf(traceback) };
  const options = id === undefined ? { exception } : { nodeId: id, exception };
  if (MEMORY_TYPE.test(type) || MEMORY_MESSAGE.test(message)) {
    return new FleetError('out_of_memory', `The GPU ran out of memory at ${at}.`, options);
  }
  const reason = message || type || 'no reason given';
  const fault = machineFault(type, message);
  if (fault !== undefined) return new FleetError(fault, `${FAULTS[fault](at)}: ${reason}`, options);
  return new FleetError('node_execution_error', `${at} failed: ${reason}`, options);
}

function lastOf(traceback: unknown): string[] {
  const lines = listOr(traceback).filter((line) => typeof line === 'string');
  return lines.slice(-MOST_TRACED).map(plainLines);
}
