import { FleetError } from '@comfy-fleet/contracts';
import { type Graph, nameInGraph } from './graph.js';
import { type MachineFault, machineFault } from './machine-fault.js';
import { plainLines, plainText } from './plain-text.js';
import { listOr, objectOr, textOr } from './shapes.js';

/** Entries of a traceback that are kept, of 400 characters at most: the last ones say where it happened. */
const MOST_TRACED = 12;

const FAULTS: Readonly<Record<Exclude<MachineFault, 'out_of_memory'>, (at: string) => string>> = {
  gpu_failed: (at) => `The GPU failed at ${at}`,
  model_unreadable: (at) => `A model file could not be read at ${at}`,
  instance_io_failed: (at) => `The disk of the instance failed at ${at}`,
  library_missing: (at) => `${at} lacks a library on the instance`,
};

/** Reads the data of an `execution_error`: as a fault of the machine, or as `node_execution_error`. Leaves the node's inputs out. */
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
