import { FileFault } from './file-fault.js';
import { parseJson, parsePlainJson } from './json-text.js';
import { isRecord } from './read-graph.js';
import { readSource, type WorkflowSource } from './source.js';

/** What may stand beside the graph of a workflow that is published. */
const BESIDE = ['inputs', 'bindings', 'linear_data'] as const;
/** The body of ComfyUI's POST /prompt, of which only the graph and App mode's choice are kept. */
const OF_PROMPT = [
  'extra_data',
  'client_id',
  'prompt_id',
  'number',
  'front',
  'partial_execution_targets',
  'preview_method',
];

/** The texts that ComfyUI writes into a picture. */
export interface PictureTexts {
  readonly prompt: string;
  readonly workflow: string | undefined;
}

/**
 * Takes what people publish, as JSON: a graph in the API format, the body of a POST /prompt, or `{"graph": …}`; with the two
 * `inputs`, `bindings` and `linear_data` may come, which are those of a source. Throws a FileFault.
 */
export function readUpload(text: string): WorkflowSource {
  const json = parseJson(text);
  if (isWrapped(json, 'graph')) return readWrapped(json, 'graph', BESIDE);
  if (isWrapped(json, 'prompt')) return readWrapped(json, 'prompt', [...BESIDE, ...OF_PROMPT]);
  return readSource({ workflow: json });
}

/** Takes what a picture made by ComfyUI has. Throws a FileFault. */
export function readPictureTexts({ prompt, workflow }: PictureTexts): WorkflowSource {
  return readSource({ workflow: asPrompt(parseJson(prompt), linearDataOf(workflow)) });
}

/** A graph may have a node with the id `graph` or `prompt`. */
function isWrapped(json: unknown, key: 'graph' | 'prompt'): json is Record<string, unknown> {
  return isRecord(json) && isRecord(json[key]) && !('class_type' in json[key]);
}

function readWrapped(json: Record<string, unknown>, key: 'graph' | 'prompt', known: readonly string[]): WorkflowSource {
  const { inputs, bindings, linear_data: linearData, ...rest } = json;
  const unknown = Object.keys(rest).find((name) => name !== key && !known.includes(name));
  if (unknown !== undefined) {
    throw new FileFault(`"${unknown}" is not a known key beside "${key}" (known: ${BESIDE.join(', ')})`);
  }
  const workflow = linearData === undefined ? { ...rest, prompt: json[key] } : asPrompt(json[key], linearData);
  return readSource({ workflow, inputs, bindings });
}

/** As a POST /prompt has it. */
function asPrompt(prompt: unknown, linearData: unknown): object {
  return { prompt, extra_data: { extra_pnginfo: { workflow: { extra: { linearData } } } } };
}

/** Of the editor's format; one that cannot be read says nothing of the graph. */
function linearDataOf(workflow: string | undefined): unknown {
  if (workflow === undefined) return undefined;
  try {
    const { extra } = parsePlainJson(workflow) as { extra?: { linearData?: unknown } };
    return extra?.linearData;
  } catch {
    return undefined;
  }
}
