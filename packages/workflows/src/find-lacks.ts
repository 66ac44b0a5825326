import type { Abilities, ResolvedRequest } from '@comfy-fleet/contracts';
import { bindGraph } from './bind-graph.js';
import { isMedia } from './describe/widget.js';
import { type Graph, isLink, isModelFile, upstreamOf } from './graph.js';
import { neededPart } from './models-of.js';
import { isRecord } from './read-graph.js';
import type { Workflow, WorkflowInput } from './workflow.js';

/** Something that a job needs and an instance lacks: a node class, or an option of an input. */
export type Lack =
  | { readonly node: string; readonly className: string; readonly input: undefined }
  | {
      readonly node: string;
      readonly className: string;
      readonly input: string;
      readonly value: string;
      /** The options that it has instead. */
      readonly choices: readonly string[];
      /** Name of the workflow input that sets the value, if a request can set it. */
      readonly setBy: string | undefined;
    };

const ANY_FILE = { get: () => '' };

/** What an instance lacks for the job; empty if it can run it. */
export function findLacks(workflow: Workflow, request: ResolvedRequest, abilities: Abilities): readonly Lack[] {
  const { inputAt, outputs } = workflow;
  // Requests for a graph that is run once only set files, which are uploaded later.
  const graph =
    request.shape === undefined
      ? bindGraph(workflow, request, { filenamePrefix: '', files: ANY_FILE })
      : neededPart(workflow.graph, workflow, request.outputs);
  const nodes = outputs.map(({ node }) => node).filter((node) => Object.hasOwn(graph, node));
  return lacksOfGraph(graph, abilities, {
    outputs: nodes,
    sourceAt: (node, input) => inputAt({ node, input }),
    denied: request.denied,
  });
}

interface Asked {
  /** The requested output nodes; ComfyUI only validates the inputs of nodes that these need. */
  readonly outputs: readonly string[];
  readonly sourceAt?: (node: string, input: string) => WorkflowInput | undefined;
  /** Files that count as missing. */
  readonly denied?: readonly string[] | undefined;
}

/** What an instance lacks to run a graph that contains all its values. */
export function lacksOfGraph(
  graph: Graph,
  abilities: Abilities,
  { outputs, sourceAt = () => undefined, denied = [] }: Asked,
): Lack[] {
  const needed = upstreamOf(graph, outputs);
  return Object.entries(graph).flatMap(([node, { class_type: className, inputs }]): Lack[] => {
    const known = Object.hasOwn(abilities, className) ? abilities[className] : undefined;
    // ComfyUI checks the class of every node.
    if (known === undefined) return [{ node, className, input: undefined }];
    if (!needed.has(node)) return [];
    return Object.entries(known).flatMap(([input, listed]): Lack[] => {
      const choices = denied.length === 0 ? listed : listed.filter((choice) => !denied.includes(choice));
      const source = sourceAt(node, input);
      // Files are uploaded later.
      if (isMedia(source?.type)) return [];
      const absent = textsIn(inputs[input]).filter((value) => !choices.includes(value));
      // Scripts of a custom node may fill an empty list, but never with models.
      const lacking = choices.length === 0 ? absent.filter(isModelFile) : absent;
      return lacking.map((value) => ({ node, className, input, value, choices, setBy: source?.name }));
    });
  });
}

/** The texts of a widget: several if several options can be chosen, or wrapped, as ComfyUI's editor wraps a list. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (isLink(value)) return [];
  if (isRecord(value)) return '__value__' in value ? textsIn(value.__value__) : [];
  return [value].flat().filter((one) => typeof one === 'string');
}
