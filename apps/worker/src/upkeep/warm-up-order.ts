import { ConfigError, type WarmUpSettings } from '@comfy-fleet/config';
import { FILE_KINDS, FleetError, type RequestLimits, type ResolvedRequest } from '@comfy-fleet/contracts';
import {
  deadlineMs,
  randomSeed,
  resolveInputs,
  resolveRequest,
  type Workflow,
  type Workflows,
} from '@comfy-fleet/workflows';

/** The request that each instance runs before it gets jobs. */
export interface WarmUpOrder {
  readonly workflow: Workflow;
  readonly request: ResolvedRequest;
  /** Longest wait for its end, in ms. */
  readonly deadlineMs: number;
}

/** The deadline of a workflow without its own. An instance gets no jobs while it warms up. */
const WARM_UP_SECONDS = 600;

/** Throws a ConfigError for wrong settings. */
export function orderWarmUp(
  { workflow, body }: WarmUpSettings,
  workflows: Workflows,
  limits: RequestLimits,
): WarmUpOrder {
  const found = workflows.byName.get(workflow);
  if (found === undefined) {
    const names = [...workflows.byName.keys()].join(', ');
    throw new ConfigError([`WARM_UP_WORKFLOW=${workflow}: there is no such workflow; there are ${names}`]);
  }
  if (found.inputs.some(({ type }) => FILE_KINDS.some((kind) => kind === type))) {
    throw new ConfigError([`WARM_UP_WORKFLOW=${workflow}: it takes an input file; choose a workflow without one`]);
  }
  const { profiles } = workflows;
  try {
    const request =
      'prompt' in body
        ? resolveRequest({ workflow: found, profiles, request: body, randomSeed, limits })
        : resolveInputs({
            workflow: found,
            profiles,
            lod: body.lod,
            inputs: (body.inputs ?? {}) as ResolvedRequest['inputs'],
            outputs: body.outputs,
            pointer: (name) => `/inputs/${name}`,
            randomSeed,
            limits,
          });
    return {
      workflow: found,
      request,
      deadlineMs: deadlineMs(found, request, { profiles, most: WARM_UP_SECONDS }),
    };
  } catch (error) {
    if (error instanceof FleetError) throw new ConfigError([`WARM_UP_INPUTS: ${error.detail}`]);
    throw error;
  }
}
