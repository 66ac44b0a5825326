import { ConfigError } from '@comfy-fleet/config';
import { FILE_KINDS, FleetError, type RequestLimits, type ResolvedRequest } from '@comfy-fleet/contracts';
import { deadlineMs, randomSeed, resolveInputs, type Workflow, type Workflows } from '@comfy-fleet/workflows';

/** The request that each instance runs before it gets jobs. */
export interface WarmUpOrder {
  readonly workflow: Workflow;
  readonly request: ResolvedRequest;
  /** Longest wait for its end, in ms. */
  readonly deadlineMs: number;
}

/** The deadline of a workflow without its own. An instance gets no jobs while it warms up. */
const WARM_UP_SECONDS = 600;

/** Runs the workflow with the values of its graph. Throws a ConfigError if it cannot run so. */
export function orderWarmUp(name: string, { byName, profiles }: Workflows, limits: RequestLimits): WarmUpOrder {
  const workflow = byName.get(name);
  const fault = (what: string) => new ConfigError([`WARM_UP_WORKFLOW=${name}: ${what}`]);
  if (workflow === undefined) throw fault(`there is no such workflow; there are ${[...byName.keys()].join(', ')}`);
  if (workflow.inputs.some(({ type }) => FILE_KINDS.some((kind) => kind === type))) {
    throw fault('it takes an input file; choose a workflow without one');
  }
  const isPicture = workflow.kind === 'text2img';
  try {
    const request = resolveInputs({
      workflow,
      profiles,
      lod: isPicture ? 'sketch' : undefined,
      inputs: isPicture ? { prompt: 'warm up' } : {},
      pointer: (input) => input,
      randomSeed,
      limits,
    });
    return { workflow, request, deadlineMs: deadlineMs(workflow, request, { profiles, most: WARM_UP_SECONDS }) };
  } catch (error) {
    if (error instanceof FleetError) throw fault(`${error.detail}; its graph has to have a value for each input`);
    throw error;
  }
}
