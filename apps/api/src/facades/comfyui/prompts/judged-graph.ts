import {
  type Catalogue,
  type Graph,
  type NodeErrors,
  neededOf,
  type OpenedGraph,
  verdictOf,
} from '@comfy-fleet/workflows';
import type { Deps } from '../../../deps.js';
import { namedFiles } from '../../../files/named-files.js';
import { catalogueOfGraph, openedGraph } from '../../../orders/graph-spec.js';
import type { Caller } from '../../../server/caller.js';
import { isRecord } from '../../../server/is-record.js';
import { ComfyuiRefusal, refused } from '../refusal.js';
import type { SentPrompt } from './read-prompt.js';

/** A graph that ComfyUI would take, with its files named as orders name them. */
export interface JudgedGraph {
  /** What its outputs need. */
  readonly opened: OpenedGraph;
  /** Ids of the outputs that run; undefined: its classes are unknown, and whatever looks like an output runs. */
  readonly outputs: readonly string[] | undefined;
  /** Of the outputs that do not run. */
  readonly nodeErrors: NodeErrors;
  readonly catalogue: Catalogue | undefined;
  /** What the graph itself calls its files, by the input of the job. */
  readonly files: Readonly<Record<string, string>>;
}

/** Throws a ComfyuiRefusal with what ComfyUI would answer, and validation_failed for what is more than we take. */
export async function judgedGraph(
  deps: Deps,
  { graph: sent, targets }: Pick<SentPrompt, 'graph' | 'targets'>,
  caller: Caller,
): Promise<JudgedGraph> {
  const { maxNodes } = deps.config.workflows;
  if (isRecord(sent) && Object.keys(sent).length > maxNodes) {
    throw refused('invalid_prompt', `The prompt has ${Object.keys(sent).length} nodes; ${maxNodes} are the most.`);
  }
  const catalogue = await catalogueOfGraph(deps, sent);
  const judge = (hasFile?: (name: string) => boolean) =>
    deps.computing(caller.id, () => {
      const verdict = catalogue === undefined ? UNJUDGED : verdictOf(sent, catalogue, { targets, hasFile });
      if ('error' in verdict) throw new ComfyuiRefusal(verdict.error, verdict.node_errors);
      const { ok: outputs, node_errors: nodeErrors } = verdict;
      const graph = outputs === undefined ? sent : neededOf(sent as Graph, outputs);
      return { opened: openedGraph(deps, graph, { catalogue, outputs }), outputs, nodeErrors };
    });
  const first = await judge();
  const names = Object.values(first.opened.inputs);
  if (names.length === 0) return { ...first, catalogue, files: {} };
  const known = await namedFiles(deps, caller, names);
  const judged = names.every((name) => known.has(name)) ? first : await judge((name) => known.has(name));
  const { opened, outputs, nodeErrors } = judged;
  return { opened: withReferences(opened, known), outputs, nodeErrors, catalogue, files: opened.inputs };
}

const UNJUDGED = { ok: undefined, node_errors: {} };

/** Only where nothing is known of its classes can it name a file by now that the caller does not have. */
function withReferences(opened: OpenedGraph, known: ReadonlyMap<string, string>): OpenedGraph {
  const inputs = Object.entries(opened.inputs).map(([input, name]) => {
    const reference = known.get(name);
    if (reference === undefined) throw refused('prompt_outputs_failed_validation', `Invalid file: ${name}`);
    return [input, reference];
  });
  return { ...opened, inputs: Object.fromEntries(inputs) };
}
