import { FleetError } from '@comfy-fleet/contracts';
import type { NewJob } from '@comfy-fleet/jobs';
import { type Graph, limitErrors, type NodeErrors } from '@comfy-fleet/workflows';
import type { Deps } from '../../../deps.js';
import { type OrderingRequest, openedJob } from '../../../orders/graph-job.js';
import { callbackOf } from '../../../orders/new-job.js';
import { BeyondLimits } from '../../../orders/refuse-beyond-limits.js';
import { knownCaller } from '../../../server/caller.js';
import { ComfyuiRefusal } from '../refusal.js';
import { judgedGraph } from './judged-graph.js';
import { writeOrigin } from './origin.js';
import type { SentPrompt } from './read-prompt.js';

/** Among the jobs of a key, one in front comes before all others. */
const FRONT_PRIORITY = 2;

/**
 * The job of a prompt, and what is wrong with those of its outputs that do not run. Throws a ComfyuiRefusal for what ComfyUI
 * would refuse, and what openedJob throws.
 */
export async function promptJob(
  deps: Deps,
  prompt: SentPrompt,
  request: OrderingRequest,
): Promise<{ readonly job: NewJob; readonly nodeErrors: NodeErrors }> {
  const caller = knownCaller(request.caller);
  const { opened, outputs, nodeErrors, catalogue, files } = await judgedGraph(deps, prompt, caller);
  const isFirst = prompt.front || (prompt.number ?? 0) < 0;
  const { comfyKey } = prompt;
  const order = {
    ...(isFirst ? { priority: FRONT_PRIORITY } : {}),
    ...(comfyKey === undefined ? {} : { api_key_comfy_org: comfyKey }),
  };
  const callback = callbackOf({}, caller, deps.webhookRefusal);
  const origin = writeOrigin(prompt, files);
  const labels = { alias: prompt.id, client: prompt.client, origin, inOrder: caller.inOrder };
  const ordered = openedJob(deps, { opened, catalogue, order, callback, outputs, labels }, request);
  const job = await ordered.catch((error: unknown) => {
    throw inComfyuisWords(error, opened.workflow.graph);
  });
  return { job, nodeErrors };
}

/** What is wrong with nodes is told by node, which clients show there. */
function inComfyuisWords(error: unknown, graph: Graph): unknown {
  if (error instanceof BeyondLimits) {
    const type = 'prompt_outputs_failed_validation';
    const refusal = { type, message: 'Prompt outputs failed validation', details: error.detail, extra_info: {} };
    return new ComfyuiRefusal(refusal, limitErrors(error.faults, graph));
  }
  if (!(error instanceof FleetError) || error.status !== 422) return error;
  const { code: type, title: message, detail } = error;
  const nodes: Record<string, NodeErrors[string]> = {};
  for (const { pointer, detail: details } of error.errors) {
    const [, , id = '', , input] = pointer.split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
    const { class_type } = graph[id] ?? {};
    if (class_type === undefined) continue;
    const extra_info = input === undefined ? {} : { input_name: input };
    const errors = [...(nodes[id]?.errors ?? []), { type, message, details, extra_info }];
    nodes[id] = { errors, dependent_outputs: [], class_type };
  }
  return new ComfyuiRefusal({ type, message, details: detail, extra_info: {} }, nodes);
}
