import type { WorkflowAnswer } from '@comfy-fleet/contracts';
import type { NodeTimes, PublishedVersion } from '@comfy-fleet/jobs';
import {
  type Catalogue,
  describeNode,
  exampleBody,
  limitsFor,
  type Rule,
  showJson,
  type Workflow,
} from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import type { Caller } from '../../server/caller.js';
import { catalogueFor } from '../../workflows/catalogue-for.js';
import type { Served } from '../../workflows/live-workflows.js';
import { whoCanRun } from '../../workflows/who-can-run.js';

const RULE_NAMES: Readonly<Record<Rule, WorkflowAnswer['found'][number]['rule']>> = {
  inputsFile: 'inputs_file',
  bindingsFile: 'bindings_file',
  title: 'title',
  appMode: 'app_mode',
  wiring: 'wiring',
};

/** All that is known of a workflow, within the limits of the caller; has bigints in it. */
export async function presentWorkflow(
  deps: Deps,
  { workflow, source, hidesFile, published }: Served,
  caller: Caller,
  knownCatalogue: Promise<Catalogue | undefined> = catalogueFor(deps, workflow),
): Promise<WorkflowAnswer> {
  const { name, version, graph, pool, deadlineSeconds } = workflow;
  const [catalogue, pools, times] = await Promise.all([
    knownCatalogue,
    whoCanRun(deps, workflow),
    deps.ledger.nodeTimes.read(version),
  ]);
  const described = workflow.describe(catalogue, limitsFor(deps.config.limits, workflow, caller.gpuLimits));
  const body = exampleBody(described);
  return {
    name,
    version,
    description: described.description ?? null,
    source,
    hides_file: hidesFile,
    ...presentPublished(published),
    inputs: described.schema as WorkflowAnswer['inputs'],
    found: described.inputs.map(({ name: input, slots, rule }) => ({
      input,
      rule: RULE_NAMES[rule],
      places: slots.map(({ node, input: widget }) => ({ node_id: node, node: describeNode(graph, node), widget })),
    })),
    outputs: described.outputs.map(({ name: output, node, className }) => ({
      name: output,
      node_id: node,
      class_type: className,
    })),
    models: [...described.models],
    node_classes: [...described.nodeClasses],
    pool: pool ?? null,
    deadline_seconds: deadlineSeconds ?? null,
    node_times: nodeTimes(workflow, times),
    pools,
    unsettled: [...described.unsettled],
    refused: [...described.refused],
    notes: described.notes.map(({ kind, text, nodes, widget = null, input = null }) => ({
      kind,
      detail: text,
      node_ids: [...nodes],
      widget,
      input,
    })),
    example: { curl: curlOf(deps, name, showJson(body)), body },
  };
}

/** Of a file, nulls. */
export function presentPublished(published: PublishedVersion | undefined) {
  return {
    published_at: published === undefined ? null : new Date(published.at).toISOString(),
    published_by: published?.by ?? null,
  };
}

/** What was learned of nodes that are not the graph's own is of no use to its author. */
function nodeTimes({ graph }: Workflow, times: Awaited<ReturnType<NodeTimes['read']>>): WorkflowAnswer['node_times'] {
  return Object.entries(graph)
    .flatMap(([node_id, { class_type, _meta }]) => {
      const ms = times.get(node_id)?.ms;
      return ms === undefined ? [] : [{ node_id, title: _meta?.title ?? class_type, class_type, ms: Math.round(ms) }];
    })
    .sort((one, other) => other.ms - one.ms);
}

function curlOf({ config, keys }: Deps, name: string, body: string): string {
  const { publicUrl, port } = config.http;
  const address = `${publicUrl ?? `http://localhost:${port}`}/workflows/${encodeURIComponent(name)}`;
  const key = keys === undefined ? '' : ` -H 'Authorization: Bearer <key>'`;
  return `curl '${address}'${key} -H 'Content-Type: application/json' -d '${body.replaceAll("'", "'\\''")}'`;
}
