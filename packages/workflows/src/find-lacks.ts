import type { Abilities, ResolvedRequest } from '@comfy-fleet/contracts';
import { bindGraph } from './bind-graph.js';
import { isMedia } from './describe/widget.js';
import { type Graph, isLink, isModelFile, upstreamOf } from './graph.js';
import { neededPart } from './needed-for.js';
import { isRecord } from './read-graph.js';
import type { Workflow, WorkflowInput } from './workflow.js';

/** Something that a job needs and an instance has not: a node class, or a choice of one of its inputs. */
export type Lack =
  | { readonly node: string; readonly className: string; readonly input: undefined }
  | {
      readonly node: string;
      readonly className: string;
      readonly input: string;
      readonly value: string;
      /** What there is in its place. */
      readonly choices: readonly string[];
      /** Name of the input whose value it is, if a request can set it. */
      readonly setBy: string | undefined;
    };

const ANY_FILE = { get: () => '' };

/** What an instance lacks for the job; nothing when it can run it. */
export function findLacks(workflow: Workflow, request: ResolvedRequest, abilities: Abilities): readonly Lack[] {
  const { inputAt, outputs } = workflow;
  // In a graph that is run once a request sets files only, which come later.
  const graph =
    request.shape === undefined
      ? bindGraph(workflow, request, { filenamePrefix: '', files: ANY_FILE })
      : neededPart(workflow.graph, workflow, request.outputs);
  const nodes = outputs.map(({ node }) => node).filter((node) => Object.hasOwn(graph, node));
  return lacksOfGraph(graph, abilities, { outputs: nodes, sourceAt: (node, input) => inputAt({ node, input }) });
}

interface Asked {
  /** The nodes that are asked for; ComfyUI looks at the inputs only of those that these need. */
  readonly outputs: readonly string[];
  readonly sourceAt?: (node: string, input: string) => WorkflowInput | undefined;
}

/** What an instance lacks to run a graph whose values are all in it. */
export function lacksOfGraph(
  graph: Graph,
  abilities: Abilities,
  { outputs, sourceAt = () => undefined }: Asked,
): Lack[] {
  const needed = upstreamOf(graph, outputs);
  return Object.entries(graph).flatMap(([node, { class_type: className, inputs }]): Lack[] => {
    const known = Object.hasOwn(abilities, className) ? abilities[className] : undefined;
    // It looks at the class of every node.
    if (known === undefined) return [{ node, className, input: undefined }];
    if (!needed.has(node)) return [];
    return Object.entries(known).flatMap(([input, choices]): Lack[] => {
      const source = sourceAt(node, input);
      // Files are uploaded later.
      if (isMedia(source?.type)) return [];
      const absent = textsIn(inputs[input]).filter((value) => !choices.includes(value));
      // Where there is nothing to choose from, scripts of a custom node may fill the list, but no models come that way.
      const lacking = choices.length === 0 ? absent.filter(isModelFile) : absent;
      return lacking.map((value) => ({ node, className, input, value, choices, setBy: source?.name }));
    });
  });
}

/** The texts that a widget holds: several where several can be chosen, or wrapped, as ComfyUI's editor wraps a list. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (isLink(value)) return [];
  if (isRecord(value)) return '__value__' in value ? textsIn(value.__value__) : [];
  return [value].flat().filter((one) => typeof one === 'string');
}
