import {
  FleetError,
  type GenerateRequest,
  type Img2ImgRequest,
  type InputFile,
  type PictureKind,
  type RequestLimits,
} from '@comfy-fleet/contracts';
import type { JobRecord } from '@comfy-fleet/jobs';
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
import { withUrlModels } from '../models/url-models.js';
import type { Caller } from '../server/gate.js';
import { isRecord } from '../server/json-body.js';
import { findServed } from '../workflows/find-workflow.js';
import { atPlace, inGraph, pointersOf } from './pointers.js';
import type { JobSpec } from './submit-jobs.js';

/** The spec for POST /generate or /img2img, whose workflows were validated when they were installed. */
export function pictureSpec(
  deps: Deps,
  kind: PictureKind,
  request: GenerateRequest | Img2ImgRequest,
  { input, ...rest }: Pick<JobSpec, 'callback' | 'parent'> & { readonly input?: InputFile } = {},
): JobSpec {
  const { workflow } = findServed(deps.workflows, kind);
  const { lod = 'mid', priority, metadata, start_within_seconds, reuse, webhook, webhook_url } = request;
  const inputs = pictureInputs(request, input);
  const order = { lod, priority, metadata, start_within_seconds, reuse, webhook, webhook_url, inputs, isJudged: true };
  return { workflow, ...order, pointers: pointersOf(workflow), ...rest };
}

export function pictureLimits({ config, workflows }: Deps, kind: PictureKind, caller: Caller): RequestLimits {
  return limitsFor(config.limits, findServed(workflows, kind).workflow, caller.gpuLimits);
}

type GraphSpec = Pick<JobSpec, 'workflow' | 'inputs' | 'catalogue' | 'shape' | 'outputs' | 'isJudged' | 'pointers'>;

/** The spec of a caller's own graph in the form it was sent. Throws validation_failed if it is not a graph. */
export async function graphSpec(deps: Deps, sent: unknown, caller: Caller): Promise<GraphSpec> {
  const { graph, catalogue } = await describedGraph(deps, sent, caller);
  const opened = await deps.computing(caller.id, () => openedGraph(graph, { catalogue }));
  return openedSpec({ opened, catalogue });
}

interface Opened {
  readonly opened: OpenedGraph;
  readonly catalogue: Catalogue | undefined;
  /** The output nodes to run, if the graph has been validated; undefined: it has not been, and all its outputs are run. */
  readonly outputs?: readonly string[] | undefined;
}

/** The spec of an opened graph. */
export function openedSpec({ opened: { workflow, inputs, files, shape }, catalogue, outputs }: Opened): GraphSpec {
  const spec = { workflow, inputs, catalogue, shape, pointers: inGraph(files) };
  if (outputs === undefined) return spec;
  const named = workflow.outputs.filter(({ node }) => outputs.includes(node)).map(({ name }) => name);
  return { ...spec, outputs: named, isJudged: true };
}

/** The pool of callers' own graphs. */
export function graphPool({ workflows }: Deps): string {
  return poolFor(undefined, 'mid', workflows.profiles);
}

/**
 * The graph with names in place of URLs of models, and its node classes as the instances that may run it describe them;
 * undefined while no instance has described them. Throws validation_failed if it is not an object, or has too many nodes or
 * inputs, and what withUrlModels throws.
 */
export async function describedGraph(
  deps: Deps,
  sent: unknown,
  caller: Caller,
): Promise<{ readonly graph: unknown; readonly catalogue: Catalogue | undefined }> {
  // The nodes of a text would be its characters.
  if (!isRecord(sent)) throw new FleetError('validation_failed', 'The graph is not an object of nodes.');
  refuseLargeGraph(deps, sent);
  const pool = graphPool(deps);
  const pointer = (node: string, input: string) => atPlace({ node, input });
  const graph = await withUrlModels(deps, sent, { caller, pool, pointer });
  const offers = await deps.offers.to(caller);
  const described = await offers.catalogue(pool, classesOf(graph));
  return { graph, catalogue: described && withFileWidgets(described, deps.allowedNodes) };
}

/** Limit for the inputs of all nodes together. Validating 25,000 blocks the process for up to 200 ms. */
const MAX_INPUTS = 6000;

function refuseLargeGraph({ config }: Deps, graph: Readonly<Record<string, unknown>>): void {
  const nodes = Object.values(graph);
  const { maxNodes } = config.workflows;
  const tooMany = (count: number, what: string, most: number) =>
    new FleetError('validation_failed', `The graph has ${count} ${what}; at most ${most} are allowed.`);
  if (nodes.length > maxNodes) throw tooMany(nodes.length, 'nodes', maxNodes);
  const inputsOf = (node: unknown) => (isRecord(node) && isRecord(node.inputs) ? Object.keys(node.inputs).length : 0);
  const inputs = nodes.reduce<number>((all, node) => all + inputsOf(node), 0);
  if (inputs > MAX_INPUTS) throw tooMany(inputs, 'inputs', MAX_INPUTS);
}

/** Opens a graph. Throws validation_failed if it is not a graph. */
export function openedGraph(graph: unknown, options: GraphOptions): OpenedGraph {
  try {
    return openGraph(graph, options);
  } catch (error) {
    if (!(error instanceof WorkflowError)) throw error;
    const errors = error.faults.map((detail, index) => ({ pointer: atPlace(error.places[index]), detail }));
    const message = errors.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; ');
    throw new FleetError('validation_failed', message, { errors });
  }
}

/** The node classes of a value that may be a graph. They are sorted like those of workflows, because the list is a cache key. */
function classesOf(graph: Readonly<Record<string, unknown>>): string[] {
  const names = Object.values(graph).map((node) => Object(node).class_type as unknown);
  return [...new Set(names.filter((name) => typeof name === 'string'))].sort();
}

/** The workflow of a job in the version that it names. Throws wrong_job_state when that version no longer exists. */
export async function workflowOf({ workflows, ledger }: Deps, job: JobRecord): Promise<Workflow> {
  const { workflow: name, version } = job.request;
  const served = workflows.byName.get(name);
  if (served?.version === version) return served;
  const text = await ledger.jobs.source(job);
  if (text !== undefined) return openWorkflow(name, text);
  throw new FleetError('wrong_job_state', `The version of the workflow ${name} that the job names no longer exists.`);
}
