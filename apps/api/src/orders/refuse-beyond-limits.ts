import { FleetError, filesOf, type RequestLimits, type ResolvedRequest } from '@comfy-fleet/contracts';
import {
  bindGraph,
  type Catalogue,
  faultsBeyond,
  gpuDemand,
  type LimitFault,
  type LoadedMedia,
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
  /** The files of the request, by input. */
  readonly files: ReadonlyMap<string, LoadedMedia>;
  /** Its author may not use any node: numbers must be within the bounds of inputs, whichever way they come there. */
  readonly isRestricted: boolean;
  /** JSON that came beside the graph. */
  readonly beside: string | undefined;
}

/** Throws BeyondLimits for a job that asks more of a GPU than the limits allow, with the field and the limit of each fault. */
export function refuseBeyondLimits(
  workflow: Workflow,
  request: ResolvedRequest,
  { limits, catalogue, pointers, files, isRestricted, beside }: Judged,
): void {
  const names = new Map(filesOf(request).map(([input, { name }]) => [input, name]));
  const graph = bindGraph(workflow, request, { files: names });
  const loaded = (slot: Slot) => files.get(workflow.inputAt(slot)?.name ?? '');
  const { slots } = workflow.bindings;
  const demand = gpuDemand(graph, { slots, catalogue, loaded, beside });
  const found = faultsBeyond(demand, limits);
  if (isRestricted && catalogue !== undefined) found.push(...linkedNumberFaults(graph, demand.numbers, catalogue));
  const faults = found.slice(0, MOST_FAULTS);
  if (faults.length === 0) return;
  const errors = faults.map((fault) => faultAt(fault, { workflow, graph, pointers }));
  const detail = errors.map(({ pointer, detail: what }) => `${pointer} ${what}`.trim()).join('; ');
  throw new BeyondLimits(`${detail}.`, faults, errors);
}
