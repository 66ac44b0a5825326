import { parseStoredJson, showJson } from '@comfy-fleet/workflows';

/** What the source of a graph that ran once says, see openGraph. It is ours, and is not looked into any further. */
interface GraphSource {
  readonly graph: Record<string, { readonly inputs: Record<string, unknown> }>;
  readonly inputs?: {
    readonly inputs?: Readonly<Record<string, { readonly node: string; readonly widget: string }>>;
    readonly outputs?: Readonly<Record<string, string>>;
  };
}

/**
 * The graph of a source as JSON, with names for its files by the inputs of the job, and its outputs by name. To open it as a
 * workflow would take a hundred times as long, and a queue has thousands.
 */
export function readGraphSource(text: string | undefined): {
  readonly graph: (files: Readonly<Record<string, string>>) => string;
  readonly outputs: Readonly<Record<string, string>>;
} {
  if (text === undefined) return { graph: () => '{}', outputs: {} };
  const { graph, inputs = {} } = parseStoredJson(text) as GraphSource;
  return {
    graph: (files) => {
      for (const [input, { node, widget }] of Object.entries(inputs.inputs ?? {})) {
        const place = Object.hasOwn(graph, node) ? graph[node]?.inputs : undefined;
        const name = files[input];
        if (place !== undefined && name !== undefined) place[widget] = name;
      }
      return showJson(graph);
    },
    outputs: inputs.outputs ?? {},
  };
}
