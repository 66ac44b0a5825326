import { FleetError, type Webhook } from '@comfy-fleet/contracts';
import type { NewJob } from '@comfy-fleet/jobs';
import {
  type Catalogue,
  type GraphOptions,
  type OpenedGraph,
  openGraph,
  poolFor,
  WorkflowError,
  withFileWidgets,
} from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import { knownCaller } from '../server/caller.js';
import type { ApiRequest } from '../server/messages.js';
import type { Labels } from './new-job.js';
import { atPlace, inGraph } from './pointers.js';
import { type WorkflowWish, workflowJob } from './workflow-job.js';

export interface GraphWish {
  /** As it was sent. */
  readonly graph: unknown;
  readonly order: WorkflowWish['order'];
  readonly callback: Webhook | undefined;
}

/** A job of a graph of the caller's own. Throws validation_failed and no_able_instance, and what getting a file throws. */
export async function graphJob(
  deps: Deps,
  { graph, order, callback }: GraphWish,
  request: OrderingRequest,
): Promise<NewJob> {
  const catalogue = await catalogueOfGraph(deps, graph);
  const { id } = knownCaller(request.caller);
  const opened = await deps.computing(id, () => openedGraph(deps, graph, { catalogue }));
  return openedJob(deps, { opened, catalogue, order, callback }, request);
}

/** The pool that graphs of callers' own go to. */
export function graphPool({ workflows }: Pick<Deps, 'workflows'>): string {
  return poolFor(undefined, 'mid', workflows.profiles);
}

/**
 * How the instances that may get the graph describe its node classes; undefined while none has. Throws validation_failed for
 * more nodes or inputs than any later step should look at.
 */
export async function catalogueOfGraph(deps: Deps, graph: unknown): Promise<Catalogue | undefined> {
  refuseLargeGraph(deps, graph);
  const described = await deps.ledger.fleet.catalogue(graphPool(deps), classesOf(graph));
  return described && withFileWidgets(described, deps.allowedNodes);
}

/** Of all nodes together. Judging 25,000 takes up to 200 ms, in which the process answers nobody. */
const MAX_INPUTS = 6000;

function refuseLargeGraph({ config }: Deps, graph: unknown): void {
  const nodes = Object.keys(Object(graph)).length;
  const { maxNodes } = config.workflows;
  if (nodes > maxNodes)
    throw new FleetError('validation_failed', `The graph has ${nodes} nodes; ${maxNodes} are the most.`);
  const inputs = Object.values(Object(graph)).reduce<number>(
    (all, node) => all + Object.keys(Object(Object(node).inputs)).length,
    0,
  );
  if (inputs > MAX_INPUTS)
    throw new FleetError('validation_failed', `The graph has ${inputs} inputs; ${MAX_INPUTS} are the most.`);
}

interface OpenedWish {
  /** Its inputs name files as inputs of any workflow do. */
  readonly opened: OpenedGraph;
  readonly catalogue: Catalogue | undefined;
  readonly order: WorkflowWish['order'];
  readonly callback: Webhook | undefined;
  /**
   * Ids of the nodes whose outputs are wanted, and all of them kept, as ComfyUI's verdict on the graph names them;
   * undefined: those that look like outputs, of a graph that was not judged yet.
   */
  readonly outputs?: readonly string[] | undefined;
  readonly labels?: Labels;
}

/** The job of a graph that was opened. Throws as `graphJob` does. */
export async function openedJob(
  deps: Deps,
  { opened: { workflow, inputs, files, shape }, catalogue, order, callback, outputs, labels }: OpenedWish,
  request: OrderingRequest,
): Promise<NewJob> {
  const named = workflow.outputs.filter(({ node }) => outputs?.includes(node)).map(({ name }) => name);
  const own = outputs === undefined ? order : { ...order, outputs: named };
  const isJudged = outputs !== undefined;
  const pointers = inGraph(files);
  const wish = { workflow, catalogue, order: own, inputs, callback, shape, isJudged, pointers, labels };
  return workflowJob(deps, wish, request);
}

export type OrderingRequest = Pick<ApiRequest, 'caller' | 'files' | 'signal' | 'holds'>;

/** Throws validation_failed for what is no graph. `outputs`: ids of the nodes that are its outputs. */
export function openedGraph({ config }: Deps, graph: unknown, options: Omit<GraphOptions, 'maxNodes'>): OpenedGraph {
  const { maxNodes } = config.workflows;
  try {
    return openGraph(graph, { ...options, maxNodes });
  } catch (error) {
    if (!(error instanceof WorkflowError)) throw error;
    const errors = error.faults.map((detail, index) => ({ pointer: atPlace(error.places[index]), detail }));
    const told = errors.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; ');
    throw new FleetError('validation_failed', told, { errors });
  }
}

/** The node classes of what may be a graph, as those of workflows are listed: what is known of a list is kept. */
function classesOf(graph: unknown): string[] {
  if (typeof graph !== 'object' || graph === null) return [];
  const classes = new Set<string>();
  for (const node of Object.values(graph)) {
    const { class_type: name } = Object(node) as { readonly class_type?: unknown };
    if (typeof name === 'string') classes.add(name);
  }
  return [...classes].sort();
}
