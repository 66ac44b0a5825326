import {
  FleetError,
  type GenerateRequest,
  type Img2ImgRequest,
  type InputFile,
  type PictureKind,
  type RequestLimits,
  type ResolvedRequest,
} from '@comfy-fleet/contracts';
import {
  type Catalogue,
  type GraphOptions,
  limitsFor,
  type OpenedGraph,
  openGraph,
  openWorkflow,
  pictureInputs,
  poolFor,
  type Workflow,
  WorkflowError,
  withFileWidgets,
} from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/gate.js';
import { isRecord } from '../server/json-body.js';
import { findServed } from '../workflows/find-workflow.js';
import { atPlace, inGraph, pointersOf } from './pointers.js';
import type { JobSpec } from './submit-jobs.js';

/** The job of POST /generate or /img2img, whose workflows were validated when they were installed. */
export function pictureSpec(
  deps: Pick<Deps, 'workflows'>,
  kind: PictureKind,
  request: GenerateRequest | Img2ImgRequest,
  { input, ...rest }: Pick<JobSpec, 'callback' | 'parent'> & { readonly input?: InputFile } = {},
): JobSpec {
  const { workflow } = findServed(deps.workflows, kind);
  const { lod = 'mid', priority, metadata, start_within_seconds, webhook, webhook_url } = request;
  const inputs = pictureInputs(request, input);
  const order = { lod, priority, metadata, start_within_seconds, webhook, webhook_url, inputs, isJudged: true };
  return { workflow, ...order, pointers: pointersOf(workflow), ...rest };
}

export function pictureLimits({ config, workflows }: Deps, kind: PictureKind, caller: Caller): RequestLimits {
  return limitsFor(config.limits, findServed(workflows, kind).workflow, caller.gpuLimits);
}

type GraphSpec = Pick<JobSpec, 'workflow' | 'inputs' | 'catalogue' | 'shape' | 'outputs' | 'isJudged' | 'pointers'>;

/** The parts of a spec for a graph of the caller's own, as it was sent. Throws validation_failed if it is no graph. */
export async function graphSpec(deps: Deps, graph: unknown, { id }: Pick<Caller, 'id'>): Promise<GraphSpec> {
  const catalogue = await catalogueOfGraph(deps, graph);
  const opened = await deps.computing(id, () => openedGraph(graph, { catalogue }));
  return openedSpec({ opened, catalogue });
}

interface Opened {
  readonly opened: OpenedGraph;
  readonly catalogue: Catalogue | undefined;
  /** Ids of the wanted output nodes of a graph that was validated; undefined: it was not, and all its outputs are wanted. */
  readonly outputs?: readonly string[] | undefined;
}

/** The parts of a spec for an opened graph. */
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
 * too many nodes or inputs.
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
  const tooMany = (count: number, what: string, most: number) =>
    new FleetError('validation_failed', `The graph has ${count} ${what}; ${most} are the most.`);
  if (nodes.length > maxNodes) throw tooMany(nodes.length, 'nodes', maxNodes);
  const inputs = nodes.reduce<number>((all, node) => all + (isRecord(node) ? partsOf(node.inputs).length : 0), 0);
  if (inputs > MAX_INPUTS) throw tooMany(inputs, 'inputs', MAX_INPUTS);
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

/** The node classes of what may be a graph, sorted as those of workflows are: answers are cached by the list. */
function classesOf(graph: unknown): string[] {
  const names = Object.values(Object(graph)).map((node) => Object(node).class_type as unknown);
  return [...new Set(names.filter((name) => typeof name === 'string'))].sort();
}

/** The workflow of a request, in its version. Throws wrong_job_state when that is gone. */
export async function workflowOf(
  { workflows, ledger }: Pick<Deps, 'workflows' | 'ledger'>,
  { workflow: name, version }: ResolvedRequest,
): Promise<Workflow> {
  const served = workflows.byName.get(name);
  if (served?.version === version) return served;
  const text = await ledger.workflows.source(version);
  if (text !== undefined) return openWorkflow(name, text);
  throw new FleetError('wrong_job_state', `The workflow ${name} is no longer there in the version that the job names.`);
}
