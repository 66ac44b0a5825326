import type { Abilities, ResolvedRequest } from '@comfy-fleet/contracts';
import { bindGraph } from './bind-graph.js';
import { isMedia } from './describe/widget.js';
import { type Graph, isLink, nodeAt, type Slot, upstreamOf } from './graph.js';
import { isModelFile } from './model-file.js';
import { neededPart } from './needed-for.js';
import { isRecord } from './read-graph.js';
import type { Likeness, Workflow, WorkflowInput } from './workflow.js';

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

/** What instances that are alike lack for the jobs of a workflow, and of those that are like it. */
interface Found {
  /** In a place where these differ the instances have choices. */
  readonly isOwn: boolean;
  /** The inputs whose values decide. */
  readonly deciding: readonly WorkflowInput[];
  /** By these values. */
  readonly lacks: Map<string, readonly Lack[]>;
}

const found = new WeakMap<Abilities, WeakMap<Workflow, Found>>();
/** Answers kept of each workflow and kind of instance, and the characters of what decides one. */
const MOST_FOUND = 100;
const MOST_KEY_CHARS = 1000;

/** What an instance lacks for the job; nothing when it can run it. Looked for once for all jobs that are alike in this. */
export function findLacks(workflow: Workflow, request: ResolvedRequest, abilities: Abilities): readonly Lack[] {
  const { like } = workflow;
  // Of a graph that is run once there are no others, but what it is like.
  if (request.shape !== undefined && like === undefined) return lacksOfJob(workflow, request, abilities);
  const { isOwn, deciding, lacks } = foundOf(like ?? { workflow, open: [] }, abilities);
  if (isOwn) return lacksOfJob(workflow, request, abilities);
  const { inputs, outputs } = request;
  const values = deciding.map(({ name, type }) => (isMedia(type) ? inputs[name] !== undefined : inputs[name]));
  // More than one picture may take a node of its own, see bindGraph.
  const key = JSON.stringify([values, outputs, Number(inputs.count ?? 1) > 1]);
  const before = lacks.get(key);
  if (before !== undefined) return before;
  const now = lacksOfJob(workflow, request, abilities);
  if (lacks.size === MOST_FOUND) lacks.clear();
  if (key.length <= MOST_KEY_CHARS) lacks.set(key, now);
  return now;
}

function foundOf({ workflow, open }: Likeness, abilities: Abilities): Found {
  const ofAll = found.get(abilities) ?? new WeakMap<Workflow, Found>();
  found.set(abilities, ofAll);
  const known = ofAll.get(workflow) ?? {
    isOwn: open.some((slot) => isChosen(workflow.graph, slot, abilities)),
    deciding: decidingFor(workflow, abilities),
    lacks: new Map(),
  };
  ofAll.set(workflow, known);
  return known;
}

/** Files, which have to be there, and what stands where the instances have choices. */
function decidingFor({ graph, inputs }: Workflow, abilities: Abilities): WorkflowInput[] {
  return inputs.filter(({ type, slots }) => isMedia(type) || slots.some((slot) => isChosen(graph, slot, abilities)));
}

function isChosen(graph: Graph, { node, input }: Slot, abilities: Abilities): boolean {
  const { class_type } = nodeAt(graph, node);
  return Object.hasOwn(abilities, class_type) && Object.hasOwn(abilities[class_type] ?? {}, input);
}

function lacksOfJob(workflow: Workflow, request: ResolvedRequest, abilities: Abilities): Lack[] {
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
