import type { Graph } from '../graph.js';
import { isRecord, readGraph } from '../read-graph.js';

/** What people save of a workflow: its graph, and App mode's choice of inputs where that came along. */
export interface SavedWorkflow {
  readonly graph: Graph;
  /** `extra.linearData` of the editor's own format. */
  readonly linearData: unknown;
}

/**
 * Takes a graph in the API format, or the body of ComfyUI's POST /prompt, which has one as `prompt` and the editor's
 * format in `extra_data`. Throws a FileFault for anything else, the editor's format on its own included.
 */
export function readWorkflow(json: unknown): SavedWorkflow {
  if (!isPromptBody(json)) return { graph: readGraph(json), linearData: undefined };
  return {
    graph: readGraph(json.prompt),
    linearData: at(json, 'extra_data', 'extra_pnginfo', 'workflow', 'extra', 'linearData'),
  };
}

/** A graph may have a node with the id `prompt`. */
function isPromptBody(json: unknown): json is Record<string, unknown> {
  return isRecord(json) && isRecord(json.prompt) && !('class_type' in json.prompt);
}

function at(json: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (isRecord(value) ? value[key] : undefined), json);
}
