import type { InputValue, Lod, Webhook } from '@comfy-fleet/contracts';
import type { NewJob } from '@comfy-fleet/jobs';
import { type Catalogue, isMedia, limitsFor, randomSeed, resolveInputs, type Workflow } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import { resolveFiles } from '../files/resolve-files.js';
import { knownCaller } from '../server/caller.js';
import type { ApiRequest } from '../server/messages.js';
import { ableJob, type Labels } from './new-job.js';
import { IN_INPUTS, type Pointers } from './pointers.js';
import { refuseGraph } from './refuse-graph.js';

export interface WorkflowWish {
  readonly workflow: Workflow;
  /** How the instances that may get it describe its node classes. */
  readonly catalogue: Catalogue | undefined;
  /** Valid against its schema, but for `inputs`. */
  readonly order: {
    readonly lod?: Lod;
    readonly outputs?: readonly string[];
    readonly priority?: number;
    readonly metadata?: Readonly<Record<string, string>>;
    readonly start_within_seconds?: number;
    readonly api_key_comfy_org?: string;
  };
  /** Valid against the workflow's schema, without the files that came along; a file of another job stands for itself. */
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly callback: Webhook | undefined;
  /** Of a graph that is run once. */
  readonly shape?: string;
  /** ComfyUI's verdict on the graph as it is to run was asked before. */
  readonly isJudged?: boolean;
  /** Of the request's body. */
  readonly pointers?: Pointers;
  readonly labels?: Labels | undefined;
}

/**
 * A job of a workflow, for the ledger; its files are in the store of inputs by then. Throws validation_failed,
 * no_able_instance and forbidden, and what getting a file throws.
 */
export async function workflowJob(
  deps: Deps,
  { workflow, catalogue, order, inputs, callback, shape, isJudged = false, pointers = IN_INPUTS, labels }: WorkflowWish,
  request: Pick<ApiRequest, 'caller' | 'files' | 'signal' | 'holds'>,
): Promise<NewJob> {
  const isNamed = ([name, value]: readonly [string, unknown]) =>
    typeof value !== 'object' && isMedia(workflow.inputs.find((input) => input.name === name)?.type);
  const parts = Object.entries(inputs);
  const files = await resolveFiles(deps, request, Object.fromEntries(parts.filter(isNamed)), pointers.input);
  const plain = Object.fromEntries(parts.filter((part) => !isNamed(part))) as Readonly<Record<string, InputValue>>;
  const { lod, outputs, priority, metadata, start_within_seconds, api_key_comfy_org: comfyKey } = order;
  const caller = knownCaller(request.caller);
  const resolved = await deps.computing(caller.id, () => {
    const given = resolveInputs({
      workflow,
      profiles: deps.workflows.profiles,
      lod,
      inputs: { ...plain, ...files },
      catalogue,
      shape,
      outputs,
      priority,
      metadata,
      pointer: pointers.input,
      randomSeed,
      limits: limitsFor(deps.config.limits, workflow, caller.gpuLimits),
    });
    if (!isJudged) refuseGraph(workflow, given, catalogue, pointers);
    return given;
  });
  return ableJob(deps, workflow, resolved, {
    caller,
    start_within_seconds,
    callback,
    comfyKey,
    pointers,
    labels,
  });
}
