import { FleetError } from '@comfy-fleet/contracts';
import { type Graph, limitErrors, type NodeErrors } from '@comfy-fleet/workflows';
import type { Deps } from '../../../deps.js';
import { openedSpec } from '../../../orders/graph-spec.js';
import { BeyondLimits } from '../../../orders/refuse-beyond-limits.js';
import type { JobSpec } from '../../../orders/submit-jobs.js';
import type { Caller } from '../../../server/caller.js';
import { ComfyuiRefusal } from '../refusal.js';
import { judgedGraph } from './judged-graph.js';
import { writeOrigin } from './origin.js';
import type { SentPrompt } from './read-prompt.js';

/** Among the jobs of a key, one in front comes before all others. */
const FRONT_PRIORITY = 2;

/**
 * The job of a prompt, and what is wrong with those of its outputs that do not run. Throws a ComfyuiRefusal for what ComfyUI
 * would refuse.
 */
export async function promptSpec(
  deps: Deps,
  prompt: SentPrompt,
  caller: Caller,
): Promise<{ readonly spec: JobSpec; readonly nodeErrors: NodeErrors }> {
  const { files, nodeErrors, ...judged } = await judgedGraph(deps, prompt, caller);
  const isFirst = prompt.front || (prompt.number ?? 0) < 0;
  const spec = {
    ...openedSpec(judged),
    ...(isFirst ? { priority: FRONT_PRIORITY } : {}),
    api_key_comfy_org: prompt.comfyKey,
    alias: prompt.id,
    client: prompt.client,
    origin: writeOrigin(prompt, files),
    inOrder: caller.inOrder,
    explain: (error: unknown) => inComfyuisWords(error, judged.opened.workflow.graph),
  };
  return { spec, nodeErrors };
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
