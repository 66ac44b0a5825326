import { FleetError } from '@comfy-fleet/contracts';
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
import type { Caller } from '../server/caller.js';
import { isRecord } from '../server/is-record.js';
import { atPlace, inGraph } from './pointers.js';
import type { JobSpec } from './submit-jobs.js';

type GraphSpec = Pick<JobSpec, 'workflow' | 'inputs' | 'catalogue' | 'shape' | 'outputs' | 'isJudged' | 'pointers'>;

/** The parts of a spec for a graph of the caller's own, as it was sent. Throws validation_failed if it is no graph. */
export async function graphSpec(deps: Deps, graph: unknown, { id }: Pick<Caller, 'id'>): Promise<GraphSpec> {
  const catalogue = await catalogueOfGraph(deps, graph);
  const opened = await deps.computing(id, () => openedGraph(graph, { catalogue }));
  return openedSpec({ opened, catalogue });
}

interface Opened {
  /** Its inputs name files as inputs of any workflow do. */
  readonly opened: OpenedGraph;
  readonly catalogue: Catalogue | undefined;
  /**
   * Ids of the nodes whose outputs are wanted, as ComfyUI's verdict on the graph names them; undefined: the graph was not
   * judged yet, and all that look like outputs are wanted.
   */
  readonly outputs?: readonly string[] | undefined;
}

/** The parts of a spec for a graph that was opened before. */
export function openedSpec({ opened: { workflow, inputs, files, shape }, catalogue, outputs }: Opened): GraphSpec {
  const spec = { workflow, inputs, catalogue, shape, pointers: inGraph(files) };
  if (outputs === undefined) return spec;
  const named = workflow.outputs.filter(({ node }) => outputs.includes(node)).map(({ name }) => name);
  return { ...spec, outputs: named, isJudged: true };
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

/** Inputs of all nodes together. Judging 25,000 takes up to 200 ms, during which the process serves no other request. */
const MAX_INPUTS = 6000;

function refuseLargeGraph({ config }: Deps, graph: unknown): void {
  const partsOf = (value: unknown): unknown[] => (isRecord(value) ? Object.values(value) : []);
  const nodes = partsOf(graph);
  const { maxNodes } = config.workflows;
  if (nodes.length > maxNodes)
    throw new FleetError('validation_failed', `The graph has ${nodes.length} nodes; ${maxNodes} are the most.`);
  const inputs = nodes.reduce<number>((all, node) => all + (isRecord(node) ? partsOf(node.inputs).length : 0), 0);
  if (inputs > MAX_INPUTS)
    throw new FleetError('validation_failed', `The graph has ${inputs} inputs; ${MAX_INPUTS} are the most.`);
}

/** Opens a graph. `outputs` are the ids of its output nodes. Throws validation_failed if it is no graph. */
export function openedGraph(graph: unknown, options: GraphOptions): OpenedGraph {
  try {
    return openGraph(graph, options);
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
