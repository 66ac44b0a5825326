import { parseStoredJson } from '@comfy-fleet/workflows';
import { isRecord } from '../server/json-body.js';

/** What only the answers of a facade repeat of an order. It is stored as JSON beside the record of the job. */
export interface Origin {
  readonly number?: number;
  readonly front?: boolean;
  /** The worker passes it on to ComfyUI. */
  readonly extraData: Readonly<Record<string, unknown>>;
  /** What the graph had in place of each file, by the input of the job. */
  readonly files: Readonly<Record<string, unknown>>;
}

/** An empty origin for a job that came by another API. */
export function readOrigin(text: string | undefined): Origin {
  const origin = text === undefined ? undefined : parseStoredJson(text);
  if (!isRecord(origin) || !isRecord(origin.extraData)) return { extraData: {}, files: {} };
  return { files: {}, ...origin } as Origin;
}

/** The stored source of a graph that ran once; see openGraph. */
interface GraphSource {
  readonly graph: Record<string, { readonly inputs: Record<string, unknown> }>;
  readonly inputs?: {
    readonly inputs?: Readonly<Record<string, { readonly node: string; readonly widget: string }>>;
    readonly outputs?: Readonly<Record<string, string>>;
  };
}

/**
 * The graph in a source as it was sent, with its nodes that make outputs by name. We wrote the source ourselves, so it is
 * only parsed: opening it as a workflow would take a hundred times as long, and a queue has thousands.
 */
export function readGraphSource(text: string, { files }: Pick<Origin, 'files'>) {
  const { graph, inputs: { inputs = {}, outputs = {} } = {} } = parseStoredJson(text) as GraphSource;
  for (const [input, { node, widget }] of Object.entries(inputs)) {
    const place = Object.hasOwn(graph, node) ? graph[node]?.inputs : undefined;
    if (place !== undefined && Object.hasOwn(files, input)) place[widget] = files[input];
  }
  return { graph, outputs };
}
