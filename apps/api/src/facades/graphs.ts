import type { FleetError } from '@comfy-fleet/contracts';
import {
  type Graph,
  type GraphOptions,
  neededOf,
  type OpenedGraph,
  parseMarked,
  type Verdict,
  verdictOf,
} from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import { namedFiles } from '../files/ownership.js';
import { describedGraph, openedGraph } from '../orders/job-specs.js';
import type { Caller } from '../server/gate.js';
import { isRecord } from '../server/json-body.js';

/** A graph that ComfyUI would run, as judgeGraph returns it. */
export type JudgedGraph = Awaited<ReturnType<typeof judgeGraph>>;

type GoodVerdict = Extract<Verdict, { readonly ok: readonly string[] }>;

interface JudgeOptions {
  /** Ids of the output nodes to run; undefined: all. */
  readonly targets?: readonly string[] | undefined;
  /** The kind of the file that an input names by a reference such as `asset:<id>`; undefined for other inputs. */
  readonly referenceAt?: NonNullable<GraphOptions['fileAt']>;
  /** Throws the facade's error if the verdict is that the graph cannot run. */
  readonly accepted: (verdict: Verdict) => GoodVerdict;
  /** The facade's error for a file that the caller does not have. */
  readonly missing: (name: string) => FleetError;
}

const UNJUDGED = { ok: undefined, node_errors: {} };

/** Judges a graph as ComfyUI would, with the caller's files. Throws validation_failed if the graph exceeds our limits. */
export async function judgeGraph(
  deps: Deps,
  caller: Caller,
  sent: unknown,
  { targets, referenceAt = () => undefined, accepted, missing }: JudgeOptions,
) {
  const { graph, catalogue } = await describedGraph(deps, sent, caller);
  const judge = (hasFile?: (name: string) => boolean) =>
    deps.computing(caller.id, () => {
      const { ok: outputs, node_errors: nodeErrors } =
        catalogue === undefined ? UNJUDGED : accepted(verdictOf(graph, catalogue, { targets, hasFile }));
      const needed = outputs === undefined ? graph : neededOf(graph as Graph, outputs);
      return { opened: openedGraph(needed, { catalogue, outputs, fileAt: referenceAt }), outputs, nodeErrors };
    });
  const first = await judge();
  const { inputs, files } = first.opened;
  const isReference = ([, place]: [string, Parameters<typeof referenceAt>[0]]) => referenceAt(place) !== undefined;
  const references = new Set([...files].filter(isReference).map(([input]) => inputs[input]));
  const names = Object.values(inputs).filter((name) => !references.has(name));
  const known = await namedFiles(deps, caller, names);
  const hasFile = (name: string) => known.has(name) || references.has(name);
  const judged = names.every(hasFile) ? first : await judge(hasFile);
  // Without a catalogue there is no verdict, so a missing file is noticed only here.
  const found = Object.entries(judged.opened.inputs).map(([input, name]) => {
    if (!hasFile(name)) throw missing(name);
    return [input, known.get(name) ?? name];
  });
  const { opened, outputs, nodeErrors } = judged;
  return {
    /** The nodes that the outputs need. Files are named as in the inputs of any workflow. */
    opened: { ...opened, inputs: Object.fromEntries(found) as OpenedGraph['inputs'] },
    /** Ids of the outputs that run. Undefined without a catalogue: then every node that looks like an output runs. */
    outputs,
    /** The errors of the outputs that do not run. */
    nodeErrors,
    catalogue,
    /** The names of the files in the graph, by job input. */
    files: opened.inputs,
  };
}

/** Parts of a request that only the facade's responses repeat. They are stored as JSON beside the job record. */
export interface Origin {
  /** The worker passes these fields on to ComfyUI. */
  readonly extraData: Readonly<Record<string, unknown>>;
  /** The original value of each file input of the graph, by job input. */
  readonly files: Readonly<Record<string, unknown>>;
}

/** Returns an empty origin for a job that was created through another API. Its values are to be written by showMarked. */
export function readOrigin(text: string | undefined): Origin {
  const origin = text === undefined ? undefined : parseMarked(text);
  if (!isRecord(origin) || !isRecord(origin.extraData)) return { extraData: {}, files: {} };
  return { files: {}, ...origin } as Origin;
}

/** The stored source of a graph, as openGraph makes it. */
interface GraphSource {
  readonly graph: Record<string, { readonly inputs: Record<string, unknown> }>;
  readonly inputs?: {
    readonly inputs?: Readonly<Record<string, { readonly node: string; readonly widget: string }>>;
    readonly outputs?: Readonly<Record<string, string>>;
  };
}

/**
 * The graph as it was sent, to be written by showMarked. Opening it would take a hundred times as long as parsing, and a
 * queue has thousands.
 */
export function readGraphSource(text: string, { files }: Pick<Origin, 'files'>) {
  const { graph, inputs: { inputs = {}, outputs = {} } = {} } = parseMarked(text) as GraphSource;
  for (const [input, { node, widget }] of Object.entries(inputs)) {
    const place = Object.hasOwn(graph, node) ? graph[node]?.inputs : undefined;
    if (place !== undefined && Object.hasOwn(files, input)) place[widget] = files[input];
  }
  return { graph, outputs };
}
