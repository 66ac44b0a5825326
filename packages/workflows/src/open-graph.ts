import { hash } from 'node:crypto';
import type { FileKind } from '@comfy-fleet/contracts';
import { type Catalogue, inputSpec } from './describe/catalogue.js';
import type { InputsFile } from './describe/read-inputs-file.js';
import { fileKindOf } from './describe/widget.js';
import { FileFault, WorkflowError } from './file-fault.js';
import { copyGraph, type Graph, isLink, isModelFile, nodeAt, type Slot } from './graph.js';
import { showJson } from './json-text.js';
import { GRAPH, makeWorkflow } from './make-workflow.js';
import { readGraph } from './read-graph.js';
import type { Workflow } from './workflow.js';

/** A graph that is run once as it is, in the form of a workflow. */
export interface OpenedGraph {
  readonly workflow: Workflow;
  /** The names of its files, by input. */
  readonly inputs: Readonly<Record<string, string>>;
  /** The places of the file names. */
  readonly files: ReadonlyMap<string, Slot>;
  /** See shapeOf. */
  readonly shape: string;
}

export interface GraphOptions {
  /** Without one, only ComfyUI's own classes with files are known. */
  readonly catalogue: Catalogue | undefined;
  /** Tells which places are known to be files, whatever the graph and the catalogue say. */
  readonly fileAt?: FileAt;
  /** Ids of its output nodes; undefined: nodes that look like outputs. */
  readonly outputs?: readonly string[] | undefined;
}

type FileAt = (slot: Slot) => FileKind | undefined;

/**
 * Opens parsed JSON as a graph in which each file is an input and everything else stays. Throws a WorkflowError for an
 * invalid graph.
 */
export function openGraph(json: unknown, options: GraphOptions): OpenedGraph {
  try {
    return opened(readGraph(json), options);
  } catch (error) {
    if (!(error instanceof FileFault)) throw error;
    throw new WorkflowError(
      error.faults.map(({ problem }) => problem),
      error.faults.map(({ at }) => at),
    );
  }
}

function opened(graph: Graph, { catalogue, fileAt, outputs }: GraphOptions): OpenedGraph {
  const found = fileSlots(graph, catalogue, fileAt).map((file, index) => ({ ...file, name: `file_${index + 1}` }));
  const files = new Map(found.map(({ name, slot }) => [name, slot]));
  const bare = withoutNames(graph, files);
  const named = found.map(({ name, slot: { node, input }, kind }) => {
    const isTold = fileKindOf(nodeAt(bare, node), input) === kind;
    return [name, { node, widget: input, ...(isTold ? {} : { file: kind }) }] as const;
  });
  const said: InputsFile = {
    inputs: Object.fromEntries(named),
    ...(outputs === undefined ? {} : { outputs: namedOutputs(outputs) }),
  };
  const workflow = makeWorkflow(GRAPH, { graph: bare, inputs: said });
  const inputs = found.map(({ name, slot: { node, input } }) => [name, String(nodeAt(graph, node).inputs[input])]);
  return { workflow, inputs: Object.fromEntries(inputs), files, shape: shapeOf(workflow.graph, catalogue) };
}

function namedOutputs(ids: readonly string[]): Record<string, string> {
  return Object.fromEntries(ids.map((id, index) => [`output_${index + 1}`, id]));
}

function fileSlots(graph: Graph, catalogue: Catalogue | undefined, fileAt: FileAt = () => undefined) {
  const found: { readonly slot: Slot; readonly kind: FileKind }[] = [];
  for (const [id, node] of Object.entries(graph)) {
    for (const input of Object.keys(node.inputs)) {
      const slot = { node: id, input };
      const kind = fileAt(slot) ?? fileKindOf(node, input, catalogue);
      if (kind !== undefined) found.push({ slot, kind });
    }
  }
  return found;
}

/** Graphs that only differ in their files are one version. */
function withoutNames(graph: Graph, files: ReadonlyMap<string, Slot>): Graph {
  if (files.size === 0) return graph;
  const bare = copyGraph(graph);
  for (const { node, input } of files.values()) nodeAt(bare, node).inputs[input] = '';
  return bare;
}

/** Length of each digest, in characters; see affinityKeyOf in packages/jobs/src/record/request-keys.ts. */
const SHAPE_CHARS = 12;
/** Inputs that determine the amount of work. */
const AMOUNT =
  /^(steps|start_at_step|end_at_step|width|height|batch_size|amount|length|video_frames|frames|seconds|denoise|scale_by|megapixels|resolution|octree_resolution)$/;

/**
 * Equal for graphs that take equally long and need the same, whatever their texts and seeds. What is before the dot covers
 * their nodes, links, model files and, as far as the catalogue tells, options; what follows it covers the amounts.
 */
export function shapeOf(graph: Graph, catalogue: Catalogue | undefined): string {
  const isTelling = (className: string, name: string, value: unknown) =>
    isLink(value) ||
    isModelFile(value) ||
    (catalogue !== undefined && inputSpec(catalogue, className, name)?.type === 'COMBO');
  const amounts: unknown[] = [];
  const nodes = Object.keys(graph)
    .sort()
    .map((id) => {
      const { class_type, inputs } = nodeAt(graph, id);
      const telling: [name: string, value: unknown][] = [];
      for (const name of Object.keys(inputs).sort()) {
        const value = inputs[name];
        if (isTelling(class_type, name, value)) telling.push([name, value]);
        else if (typeof value === 'number' && AMOUNT.test(name)) amounts.push([id, name, value]);
      }
      return [id, class_type, telling];
    });
  const digest = (what: unknown) => hash('sha256', showJson(what), 'base64url').slice(0, SHAPE_CHARS);
  return `${digest(nodes)}.${digest(amounts)}`;
}
