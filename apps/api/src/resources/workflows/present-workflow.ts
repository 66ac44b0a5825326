import { isoTime, type ResolvedRequest, type WorkflowAnswer, type WorkflowChanges } from '@comfy-fleet/contracts';
import { instancesServing, type NodeTimes, type PublishedVersion } from '@comfy-fleet/jobs';
import {
  type Catalogue,
  type Change,
  describeLack,
  describeNode,
  differenceOf,
  exampleBody,
  findLacks,
  isMedia,
  limitsFor,
  type PartDifference,
  poolsOf,
  type Rule,
  showJson,
  type Workflow,
} from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import type { Caller } from '../../server/gate.js';
import { catalogueFor } from '../../workflows/find-workflow.js';
import type { Served } from '../../workflows/live-workflows.js';

/** Stands for any file that a job starts from. */
const ANY_FILE = { name: `${'0'.repeat(64)}.png`, kind: 'image' } as const;

const RULE_NAMES: Readonly<Record<Rule, WorkflowAnswer['found'][number]['rule']>> = {
  inputsFile: 'inputs_file',
  bindingsFile: 'bindings_file',
  title: 'title',
  appMode: 'app_mode',
  wiring: 'wiring',
};

/** Presents everything about a workflow, with the limits of the caller. The result may contain bigints. */
export async function presentWorkflow(
  deps: Deps,
  { workflow, source, hidesFile, published }: Served,
  caller: Caller,
): Promise<WorkflowAnswer> {
  const { name, version, graph, pool, deadlineSeconds } = workflow;
  const [catalogue, pools, times] = await Promise.all([
    catalogueFor(deps, workflow, caller),
    whoCanRun(deps, workflow, caller),
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

/** When and by whom a version was published; both null for a file of the folder. */
export function presentPublished(published: PublishedVersion | undefined) {
  return {
    published_at: published === undefined ? null : isoTime(published.at),
    published_by: published?.by ?? null,
  };
}

/** How long the nodes of the graph take, the slowest first. Nodes that were expanded at run time are left out. */
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

/** For each pool of the workflow: which instances can run it with its own values, and what the others lack. */
async function whoCanRun(
  { fleet: view, ledger: { fleet }, offers, workflows }: Deps,
  workflow: Workflow,
  caller: Caller,
): Promise<WorkflowAnswer['pools']> {
  const { classes } = workflow;
  const request = plainRequest(workflow);
  const { workers } = (await view.current()) ?? (await fleet.overview());
  const own = await offers.to(caller);
  return Promise.all(
    poolsOf(workflow, workflows.profiles).map(async (pool) => {
      const live = new Set(instancesServing(workers, pool).map(({ name }) => name));
      const known = (await own.abilities(pool, classes)).filter(({ instance }) => live.has(instance));
      const instances = known.map(({ instance, abilities }) => {
        const found = findLacks(workflow, request, abilities);
        const missing = found.map((lack) => ({
          node_id: lack.node,
          class_type: lack.className,
          widget: lack.input ?? null,
          value: lack.input === undefined ? null : lack.value,
        }));
        return { name: instance, able: found.length === 0, lacks: found.map(describeLack), missing };
      });
      return { name: pool, instances };
    }),
  );
}

/** A request with the workflow's defaults, and a file for each media input. Seeds are omitted: no instance can lack one. */
function plainRequest({ name: workflow, version, inputs, defaults }: Workflow): ResolvedRequest {
  const values = inputs.flatMap(({ name, type }) => {
    const value = isMedia(type) ? ANY_FILE : defaults[name];
    return value === undefined || type === 'seed' ? [] : [[name, value] as const];
  });
  return { workflow, version, lod: 'mid', inputs: Object.fromEntries(values), priority: 0, metadata: {} };
}

/** Presents the differences between two versions of a workflow. The result may contain bigints. */
export function presentChanges(before: Workflow, after: Workflow, catalogue: Catalogue | undefined): WorkflowChanges {
  const { whole, inputs, outputs, nodes } = differenceOf(before, after, catalogue);
  return {
    from: before.version,
    to: after.version,
    whole: whole.map(presentChange),
    inputs: inputs.map((part) => ({ input: part.name, ...presentPart(part) })),
    outputs: outputs.map((part) => ({ output: part.name, ...presentPart(part) })),
    nodes: nodes.map(({ title = null, className, ...part }) => ({
      node_id: part.name,
      title,
      class_type: className,
      ...presentPart(part),
    })),
  };
}

function presentPart({ kind, changes }: PartDifference) {
  return { change: kind, changes: changes.map(presentChange) };
}

function presentChange({ what, before = null, after = null }: Change) {
  return { what, before, after };
}
