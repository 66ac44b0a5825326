import { FleetError } from '@comfy-fleet/contracts';
import {
  type Catalogue,
  type Graph,
  limitErrors,
  neededOf,
  type OpenedGraph,
  type VerdictOptions,
  verdictOf,
} from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import { namedFiles } from '../../files/named-files.js';
import { catalogueOfGraph, openedGraph, openedSpec } from '../../orders/graph-spec.js';
import { BeyondLimits } from '../../orders/refuse-beyond-limits.js';
import type { JobSpec } from '../../orders/submit-jobs.js';
import type { Caller } from '../../server/caller.js';
import { invalidWorkflow } from './errors.js';
import type { OrderBody } from './order-body.js';
import { writeOrigin } from './origin.js';
import { type Referenced, withoutReferences } from './references.js';

/**
 * The job of a graph with files by reference and by name. Throws missing_asset, and invalid_workflow for whatever else is
 * wrong with the graph.
 */
export async function graphOrder(deps: Deps, { workflow, comfyKey }: OrderBody, caller: Caller): Promise<JobSpec> {
  const referenced = await withoutReferences(deps, caller, workflow);
  const explain = (error: unknown) => asInvalid(error, workflow);
  try {
    const catalogue = await catalogueOfGraph(deps, workflow);
    const judged = await judge(deps, caller, referenced, catalogue);
    return {
      ...openedSpec({ ...judged, catalogue }),
      api_key_comfy_org: comfyKey,
      origin: writeOrigin(workflow, judged.opened.files),
      explain,
    };
  } catch (error) {
    throw explain(error);
  }
}

async function judge(deps: Deps, caller: Caller, { graph, kindAt }: Referenced, catalogue: Catalogue | undefined) {
  const { outputs, opened } = await deps.computing(caller.id, () => {
    const outputs = outputsOf(graph, catalogue);
    const needed = outputs === undefined ? graph : neededOf(graph as Graph, outputs);
    return { outputs, opened: openedGraph(deps, needed, { catalogue, outputs, fileAt: kindAt }) };
  });
  const isReferenced = (input: string) => {
    const slot = opened.files.get(input);
    return slot !== undefined && kindAt(slot) !== undefined;
  };
  const texts = Object.entries(opened.inputs);
  const names = texts.filter(([input]) => !isReferenced(input)).map(([, name]) => name);
  const known = await namedFiles(deps, caller, names);
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined) {
    const hasFile = (name: string) => known.has(name) || !names.includes(name);
    await deps.computing(caller.id, () => outputsOf(graph, catalogue, { hasFile }));
    throw invalidWorkflow(`You have no file called ${unknown}: upload it, or refer to an asset.`);
  }
  const inputs = texts.map(([input, text]) => [input, isReferenced(input) ? text : known.get(text)]);
  return { opened: { ...opened, inputs: Object.fromEntries(inputs) as OpenedGraph['inputs'] }, outputs };
}

/**
 * Ids of the outputs, as ComfyUI sees them; undefined while nothing is known of the classes. Throws invalid_workflow for
 * what ComfyUI would refuse, also if that is not all of it: no output is left out without a word.
 */
function outputsOf(
  graph: unknown,
  catalogue: Catalogue | undefined,
  options: VerdictOptions = {},
): readonly string[] | undefined {
  if (catalogue === undefined) return undefined;
  const verdict = verdictOf(graph, catalogue, options);
  const { node_errors: nodeErrors } = verdict;
  const [first] = Object.entries(nodeErrors);
  if (first !== undefined) {
    const [id, { class_type, errors }] = first;
    throw invalidWorkflow(`Node ${id} (${class_type}): ${errors.map(told).join('; ')}`, nodeErrors);
  }
  if ('error' in verdict) throw invalidWorkflow(told(verdict.error), nodeErrors);
  return verdict.ok;
}

function told({ message, details }: { readonly message: string; readonly details: string }): string {
  return details === '' ? message : `${message}: ${details}`;
}

/** What we found wrong with the graph ourselves. */
function asInvalid(error: unknown, graph: unknown): unknown {
  if (error instanceof BeyondLimits) return invalidWorkflow(error.detail, limitErrors(error.faults, graph as Graph));
  const isOfGraph = error instanceof FleetError && ['validation_failed', 'no_able_instance'].includes(error.code);
  return isOfGraph && error.constructor === FleetError ? invalidWorkflow(error.detail) : error;
}
