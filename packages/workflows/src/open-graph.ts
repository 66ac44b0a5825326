import type { Catalogue } from './describe/catalogue.js';
import type { InputsFile } from './describe/read-inputs-file.js';
import { isMedia, widgetOf } from './describe/widget.js';
import { FileFault } from './file-fault.js';
import { copyGraph, type Graph, nodeAt, type Slot } from './graph.js';
import { GRAPH, makeWorkflow } from './make-workflow.js';
import { readGraph } from './read-graph.js';
import { shapeOf } from './shape.js';
import type { Workflow } from './workflow.js';
import { WorkflowError } from './workflow-error.js';

/** A graph that is run once as it is, as a workflow. */
export interface OpenedGraph {
  readonly workflow: Workflow;
  /** What it names for its files, by input. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Where the files are named. */
  readonly files: ReadonlyMap<string, Slot>;
  /** Graphs of the same shape take alike. */
  readonly shape: string;
}

export interface GraphOptions {
  /** Without one, the classes that ComfyUI itself has for files are known. */
  readonly catalogue: Catalogue | undefined;
  /** Most nodes. */
  readonly maxNodes: number;
}

/**
 * Takes parsed JSON for a graph of which each file is an input and all else stays as it is. Throws a WorkflowError for what
 * is none.
 */
export function openGraph(json: unknown, { catalogue, maxNodes }: GraphOptions): OpenedGraph {
  try {
    const nodes = typeof json === 'object' && json !== null ? Object.keys(json).length : 0;
    if (nodes > maxNodes) throw new FileFault(`has ${nodes} nodes; ${maxNodes} are the most`);
    return opened(readGraph(json), catalogue);
  } catch (error) {
    if (!(error instanceof FileFault)) throw error;
    throw new WorkflowError(error.faults.map(({ problem }) => problem));
  }
}

function opened(graph: Graph, catalogue: Catalogue | undefined): OpenedGraph {
  const files = new Map(fileSlots(graph, catalogue).map((slot, index) => [`file_${index + 1}`, slot]));
  const named = [...files].map(([name, { node, input }]) => [name, { node, widget: input }] as const);
  const inputsFile: InputsFile = { inputs: Object.fromEntries(named) };
  const workflow = makeWorkflow(GRAPH, { graph: withoutNames(graph, files), inputs: inputsFile });
  const inputs = [...files].map(([name, { node, input }]) => [name, String(nodeAt(graph, node).inputs[input])]);
  return { workflow, inputs: Object.fromEntries(inputs), files, shape: shapeOf(workflow.graph, catalogue) };
}

function fileSlots(graph: Graph, catalogue: Catalogue | undefined): Slot[] {
  return Object.entries(graph).flatMap(([node, { inputs }]) =>
    Object.keys(inputs)
      .filter((input) => isMedia(widgetOf(nodeAt(graph, node), input, catalogue)?.type))
      .map((input) => ({ node, input })),
  );
}

/** Graphs that differ in nothing but their files are one version. */
function withoutNames(graph: Graph, files: ReadonlyMap<string, Slot>): Graph {
  const bare = copyGraph(graph);
  for (const { node, input } of files.values()) nodeAt(bare, node).inputs[input] = '';
  return bare;
}
