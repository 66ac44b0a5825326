import { type Graph, type OpenedGraph, parseStoredJson, showJson, type Workflow } from '@comfy-fleet/workflows';
import { isRecord } from '../../server/is-record.js';

/** What a graph says for each file, by the input of the job. ComfyUI's own API keeps it in the same place. */
interface Origin {
  /** For ComfyUI, to which this API gives nothing. */
  readonly extraData: Readonly<Record<string, never>>;
  readonly files: Readonly<Record<string, unknown>>;
}

/** The origin of a job of that graph, as it was sent. */
export function writeOrigin(graph: object, files: OpenedGraph['files']): string {
  const nodes = graph as Readonly<Record<string, { readonly inputs: Readonly<Record<string, unknown>> }>>;
  const given = [...files].map(([name, { node, input }]) => [name, nodes[node]?.inputs[input]]);
  return showJson({ extraData: {}, files: Object.fromEntries(given) } satisfies Origin);
}

/** The graph with its files as they were named when it was sent. */
export function asSent({ graph: bare, inputs }: Workflow, origin: string): Graph {
  const parsed = parseStoredJson(origin);
  const files = isRecord(parsed) && isRecord(parsed.files) ? parsed.files : {};
  const graph = { ...bare };
  for (const { name, slots } of inputs) {
    for (const { node: id, input } of slots) {
      const node = graph[id];
      if (node !== undefined && Object.hasOwn(files, name)) {
        graph[id] = { ...node, inputs: { ...node.inputs, [input]: files[name] } };
      }
    }
  }
  return graph;
}
