import type { FleetError } from '@comfy-fleet/contracts';
import {
  type Catalogue,
  type Graph,
  type GraphOptions,
  type NodeErrors,
  neededOf,
  type OpenedGraph,
  type Verdict,
  verdictOf,
} from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import { namedFiles } from '../files/ownership.js';
import { catalogueOfGraph, openedGraph } from '../orders/job-specs.js';
import type { Caller } from '../server/caller.js';

/** A graph that ComfyUI would run. */
export interface JudgedGraph {
  /** The nodes that its outputs need, with files named as inputs of any workflow name them. */
  readonly opened: OpenedGraph;
  /** Ids of the outputs that run. Undefined if no instance knows its classes: then everything that looks like one runs. */
  readonly outputs: readonly string[] | undefined;
  /** The faults of outputs that do not run. */
  readonly nodeErrors: NodeErrors;
  readonly catalogue: Catalogue | undefined;
  /** The names that the graph has for its files, by the input of the job. */
  readonly files: Readonly<Record<string, string>>;
}

type GoodVerdict = Extract<Verdict, { readonly ok: readonly string[] }>;

interface Judging {
  /** Ids of the outputs that are to run; undefined: all. */
  readonly targets?: readonly string[] | undefined;
  /** The kind of the file at a place where the graph has a reference such as `asset:<id>` instead of a name. */
  readonly referenceAt?: NonNullable<GraphOptions['fileAt']>;
  /** Throws the error of the facade if a graph with this verdict does not run. */
  readonly accepted: (verdict: Verdict) => GoodVerdict;
  readonly missing: (name: string) => FleetError;
}

const UNJUDGED = { ok: undefined, node_errors: {} };

/**
 * Judges a graph as ComfyUI would, with the files that the caller has. Throws what `accepted` and `missing` say, and
 * validation_failed for a graph that is larger than we take.
 */
export async function judgeGraph(
  deps: Deps,
  caller: Caller,
  graph: unknown,
  { targets, referenceAt = () => undefined, accepted, missing }: Judging,
): Promise<JudgedGraph> {
  const catalogue = await catalogueOfGraph(deps, graph);
  const judge = (hasFile?: (name: string) => boolean) =>
    deps.computing(caller.id, () => {
      const { ok: outputs, node_errors: nodeErrors } =
        catalogue === undefined ? UNJUDGED : accepted(verdictOf(graph, catalogue, { targets, hasFile }));
      const needed = outputs === undefined ? graph : neededOf(graph as Graph, outputs);
      return { opened: openedGraph(deps, needed, { catalogue, outputs, fileAt: referenceAt }), outputs, nodeErrors };
    });
  const first = await judge();
  const { inputs, files } = first.opened;
  const isReference = ([, place]: [string, Parameters<typeof referenceAt>[0]]) => referenceAt(place) !== undefined;
  const references = new Set([...files].filter(isReference).map(([input]) => inputs[input]));
  const names = Object.values(inputs).filter((name) => !references.has(name));
  const known = await namedFiles(deps, caller, names);
  const hasFile = (name: string) => known.has(name) || references.has(name);
  const judged = names.every(hasFile) ? first : await judge(hasFile);
  // Without a catalogue nothing has refused a file that the caller does not have.
  const found = Object.entries(judged.opened.inputs).map(([input, name]) => {
    if (!hasFile(name)) throw missing(name);
    return [input, known.get(name) ?? name];
  });
  const opened = { ...judged.opened, inputs: Object.fromEntries(found) };
  return { ...judged, opened, catalogue, files: judged.opened.inputs };
}
