import { FleetError, filesOf, isInputFile, type RequestLimits, type ResolvedRequest } from '@comfy-fleet/contracts';
import {
  bindGraph,
  type Catalogue,
  faultsBeyond,
  gpuDemand,
  type LimitFault,
  linkedNumberFaults,
  type Slot,
  type Workflow,
} from '@comfy-fleet/workflows';
import { MOST_FAULTS } from '../server/field-errors.js';
import { faultAt, type Pointers } from './pointers.js';

/** A job that asks more of a GPU than it may. */
export class BeyondLimits extends FleetError {
  readonly faults: readonly LimitFault[];

  constructor(detail: string, faults: readonly LimitFault[], errors: FleetError['errors']) {
    super('validation_failed', detail, { errors });
    this.faults = faults;
  }
}

interface Judged {
  readonly limits: RequestLimits;
  readonly catalogue: Catalogue | undefined;
  readonly pointers: Pointers;
  /** Its author may not use any node: numbers must be within the bounds of inputs, whichever way they come there. */
  readonly isRestricted: boolean;
}

/** Throws BeyondLimits for a job that asks more of a GPU than the limits allow, with the field and the limit of each fault. */
export function refuseBeyondLimits(
  workflow: Workflow,
  request: ResolvedRequest,
  { limits, catalogue, pointers, isRestricted }: Judged,
): void {
  const files = new Map(filesOf(request).map(([input, { name }]) => [input, name]));
  const graph = bindGraph(workflow, request, { files });
  const loaded = (slot: Slot) => {
    const file = request.inputs[workflow.inputAt(slot)?.name ?? ''];
    if (!isInputFile(file) || file.width === undefined || file.height === undefined) return undefined;
    return { width: file.width, height: file.height };
  };
  const { slots } = workflow.bindings;
  const demand = gpuDemand(graph, { slots, catalogue, loaded });
  const found = faultsBeyond(demand, limits);
  if (isRestricted && catalogue !== undefined) found.push(...linkedNumberFaults(graph, demand.numbers, catalogue));
  const faults = found.slice(0, MOST_FAULTS);
  if (faults.length === 0) return;
  const errors = faults.map((fault) => faultAt(fault, { workflow, graph, pointers }));
  const detail = errors.map(({ pointer, detail: what }) => `${pointer} ${what}`.trim()).join('; ');
  throw new BeyondLimits(`${detail}.`, faults, errors);
}
