import { hash } from 'node:crypto';
import { type Choices, readChoices } from './choices.js';
import { type InputsFile, readInputsFile } from './describe/read-inputs-file.js';
import { FileFault } from './file-fault.js';
import type { Graph } from './graph.js';
import { parseJson, parsePlainJson, parseStoredJson, showJson } from './json-text.js';
import { isRecord, readGraph } from './read-graph.js';

/** Everything that a workflow consists of. This is stored, and its hash is the version. */
export interface WorkflowSource {
  readonly graph: Graph;
  /** `<name>.inputs.json`. */
  readonly inputs?: InputsFile;
  /** `<name>.bindings.json`. */
  readonly bindings?: Choices;
  /** App mode's inputs, `extra.linearData` of the editor's format. */
  readonly linear_data?: unknown;
}

/** The parts of a workflow, each parsed by `parseJson`. */
export interface SourceParts {
  /** A graph in the API format, or the body of ComfyUI's POST /prompt with one. */
  readonly workflow: unknown;
  readonly inputs?: unknown;
  readonly bindings?: unknown;
}

/** Throws a FileFault for an invalid graph or accompanying file. */
export function readSource({ workflow, inputs, bindings }: SourceParts): WorkflowSource {
  const { graph, linearData } = readWorkflow(workflow);
  return {
    graph,
    ...(inputs === undefined ? {} : { inputs: readInputsFile(inputs) }),
    ...(bindings === undefined ? {} : { bindings: readChoices(bindings) }),
    ...(linearData === undefined ? {} : { linear_data: linearData }),
  };
}

/**
 * The canonical text of a source, independent of the order in which nodes were saved; integers beyond 2^53 are exact.
 * Accompanying files keep their order, in which inputs are shown.
 */
export function sourceText({ graph, inputs, bindings, linear_data }: WorkflowSource): string {
  return showJson({ graph: inOrder(graph), inputs, bindings, linear_data });
}

/** The version of a workflow: SHA-256 of its source's text, in hex. */
export function versionOf(text: string): string {
  return hash('sha256', text, 'hex');
}

/** Parses a text of `sourceText`. Throws a FileFault for anything else. */
export function parseSource(text: string): WorkflowSource {
  const json = parseStoredJson(text);
  if (!isRecord(json)) throw new FileFault('is not the source of a workflow');
  const { graph, inputs, bindings, linear_data } = json;
  return {
    graph: readGraph(graph),
    ...(inputs === undefined ? {} : { inputs: readInputsFile(inputs) }),
    ...(bindings === undefined ? {} : { bindings: readChoices(bindings) }),
    ...(linear_data === undefined ? {} : { linear_data }),
  };
}

function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.some(isObject) ? value.map(inOrder) : value;
  if (!isRecord(value)) return value;
  const keys = Object.keys(value).sort();
  // Assigning this key would set the object's prototype.
  if (keys.includes('__proto__')) return Object.fromEntries(keys.map((key) => [key, inOrder(value[key])]));
  const ordered: Record<string, unknown> = {};
  for (const key of keys) ordered[key] = inOrder(value[key]);
  return ordered;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object';
}

/** Keys that may accompany the graph of a published workflow. */
const BESIDE = ['inputs', 'bindings', 'linear_data'] as const;
/** Other keys in the body of ComfyUI's POST /prompt, of which only the graph and App mode's inputs are kept. */
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
 * Reads an upload as JSON: a graph in the API format, the body of a POST /prompt, or `{"graph": …}`. The latter two may
 * include `inputs`, `bindings` and `linear_data` as in a source. Throws a FileFault.
 */
export function readUpload(text: string): WorkflowSource {
  const json = parseJson(text);
  if (isWrapped(json, 'graph')) return readWrapped(json, 'graph', BESIDE);
  if (isWrapped(json, 'prompt')) return readWrapped(json, 'prompt', [...BESIDE, ...OF_PROMPT]);
  return readSource({ workflow: json });
}

/** Reads the texts of a picture made by ComfyUI. Throws a FileFault. */
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

/** In the form of a POST /prompt. */
function asPrompt(prompt: unknown, linearData: unknown): object {
  return { prompt, extra_data: { extra_pnginfo: { workflow: { extra: { linearData } } } } };
}

/** From the editor's format; an unreadable one is ignored. */
function linearDataOf(workflow: string | undefined): unknown {
  if (workflow === undefined) return undefined;
  try {
    const { extra } = parsePlainJson(workflow) as { extra?: { linearData?: unknown } };
    return extra?.linearData;
  } catch {
    return undefined;
  }
}

/** A saved workflow: its graph, and App mode's inputs if they came with it. */
export interface SavedWorkflow {
  readonly graph: Graph;
  /** `extra.linearData` of the editor's own format. */
  readonly linearData: unknown;
}

/**
 * Reads a graph in the API format, or the body of ComfyUI's POST /prompt, which has one as `prompt` and the editor's
 * format in `extra_data`. Throws a FileFault for anything else, including the editor's format alone.
 */
function readWorkflow(json: unknown): SavedWorkflow {
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
