import { ConfigError, type WarmUpSettings } from '@comfy-fleet/config';
import { FleetError, type RequestLimits, type ResolvedRequest } from '@comfy-fleet/contracts';
import { randomSeed, resolveRequest, type Template, type Workflows } from '@comfy-fleet/workflows';

/** What is run on each instance before it is given jobs. */
export interface WarmUpOrder {
  readonly template: Template;
  readonly request: ResolvedRequest;
  /** Longest wait for its end, in ms. */
  readonly deadlineMs: number;
}

/** Throws a ConfigError that says what is wrong with the settings. */
export function orderWarmUp(
  { workflow, inputs }: WarmUpSettings,
  workflows: Workflows,
  limits: RequestLimits,
): WarmUpOrder {
  const template = workflows.templates.get(workflow);
  if (template === undefined) {
    const names = [...workflows.templates.keys()].join(', ');
    throw new ConfigError([`WARM_UP_WORKFLOW=${workflow}: there is no such workflow; there are ${names}`]);
  }
  const { kind } = template;
  if (kind === 'img2img') {
    throw new ConfigError([
      `WARM_UP_WORKFLOW=${workflow}: starts from a picture; name one that starts from nothing but text`,
    ]);
  }
  try {
    const request = resolveRequest({ kind, workflow, request: inputs, randomSeed, limits }, workflows);
    return { template, request, deadlineMs: workflows.profiles[request.lod].deadlineSeconds * 1000 };
  } catch (error) {
    if (error instanceof FleetError) throw new ConfigError([`WARM_UP_INPUTS: ${error.detail}`]);
    throw error;
  }
}
