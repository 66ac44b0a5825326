import { FleetError } from '@comfy-fleet/contracts';
import type { NewJob } from '@comfy-fleet/jobs';
import {
  type Catalogue,
  type OpenedGraph,
  openGraph,
  showJson,
  type Verdict,
  verdictOf,
  WorkflowError,
} from '@comfy-fleet/workflows';
import { type Caller, knownCaller } from '../../access/caller.js';
import { ownFile } from '../../assets/own-file.js';
import type { Deps } from '../../deps.js';
import type { ApiRequest } from '../../http/messages.js';
import { catalogueOfGraph, openedJob } from '../../orders/graph-job.js';
import { callbackOf } from '../../orders/new-job.js';
import { ComfyV2Error, invalidWorkflow } from './errors.js';
import type { OrderBody } from './order-body.js';
import { type Referenced, withoutReferences } from './references.js';

/**
 * The job of a graph with files by reference and by name. Throws missing_asset, invalid_workflow for whatever else is wrong
 * with the graph, and what getting a file throws.
 */
export async function graphOrder(deps: Deps, { workflow, comfyKey }: OrderBody, request: ApiRequest): Promise<NewJob> {
  const caller = knownCaller(request.caller);
  const referenced = await withoutReferences(deps, caller, workflow);
  const catalogue = await catalogueOfGraph(deps, workflow);
  const opened = open(deps, referenced, catalogue);
  const named = opened instanceof WorkflowError ? undefined : await namedFiles(deps, caller, opened, referenced);
  refuse(
    catalogue && verdictOf(referenced.graph, catalogue, { hasFile: (name) => !(named?.missing.has(name) ?? false) }),
  );
  if (opened instanceof WorkflowError) throw invalidWorkflow(opened.faults.join('; '));
  const [missing] = named?.missing ?? [];
  if (missing !== undefined) throw invalidWorkflow(`You have no file called ${missing}; upload it, or name an asset.`);
  const inputs = named?.inputs ?? {};
  const order = comfyKey === undefined ? {} : { api_key_comfy_org: comfyKey };
  const callback = callbackOf({}, caller, deps.webhookRefusal);
  try {
    const job = await openedJob(deps, { opened: { ...opened, inputs }, catalogue, order, callback }, request);
    return opened.files.size === 0 ? job : { ...job, origin: originOf(workflow, opened) };
  } catch (error) {
    throw asFault(error);
  }
}

function open({ config }: Deps, { graph, kindAt }: Referenced, catalogue: Catalogue | undefined) {
  try {
    return openGraph(graph, { catalogue, maxNodes: config.workflows.maxNodes, fileAt: kindAt });
  } catch (error) {
    if (error instanceof WorkflowError) return error;
    throw error;
  }
}

/** The files of a graph as inputs take them; names of which the caller has no file are missing. */
async function namedFiles(deps: Deps, caller: Caller, { inputs, files }: OpenedGraph, { kindAt }: Referenced) {
  const missing = new Set<string>();
  const found: [string, string][] = [];
  for (const [input, text] of Object.entries(inputs)) {
    const slot = files.get(input);
    const isReference = slot !== undefined && kindAt(slot) !== undefined;
    const file = isReference ? text : await ownFile(deps, caller, text);
    if (file === undefined) missing.add(text);
    else found.push([input, file]);
  }
  return { inputs: Object.fromEntries(found), missing };
}

/** Nothing of a graph is left out without a word: one output that cannot run is one too many. */
function refuse(verdict: Verdict | undefined): void {
  if (verdict === undefined) return;
  const { node_errors: nodeErrors } = verdict;
  if ('error' in verdict) {
    const { message, details } = verdict.error;
    throw invalidWorkflow(details === '' ? message : `${message}: ${details}`, nodeErrors);
  }
  const [first] = Object.entries(nodeErrors);
  if (first === undefined) return;
  const [id, { class_type, errors }] = first;
  const told = errors.map(({ message, details }) => `${message}: ${details}`).join('; ');
  throw invalidWorkflow(`Node ${id} (${class_type}): ${told}`, nodeErrors);
}

/** What we found wrong with the graph ourselves. */
function asFault(error: unknown): unknown {
  const isOfGraph = error instanceof FleetError && ['validation_failed', 'no_able_instance'].includes(error.code);
  if (!isOfGraph || error instanceof ComfyV2Error) return error;
  return invalidWorkflow(error.detail, undefined);
}

/** What stood where the files stand, for who asks for the workflow again. */
export interface Origin {
  readonly files: readonly { readonly node: string; readonly input: string; readonly value: unknown }[];
}

function originOf(workflow: object, { files }: OpenedGraph): string {
  const nodes = workflow as Readonly<Record<string, { readonly inputs: Readonly<Record<string, unknown>> }>>;
  const given = [...files.values()].map(({ node, input }) => ({ node, input, value: nodes[node]?.inputs[input] }));
  return showJson({ files: given } satisfies Origin);
}
