import { hash } from 'node:crypto';
import { type Choices, readChoices } from './choices.js';
import { type InputsFile, readInputsFile } from './describe/read-inputs-file.js';
import { readWorkflow } from './describe/read-workflow.js';
import { FileFault } from './file-fault.js';
import type { Graph } from './graph.js';
import { parseStoredJson, showJson } from './json-text.js';
import { isRecord, readGraph } from './read-graph.js';

/** All that a workflow consists of: what is stored of it, and what its version is the hash of. */
export interface WorkflowSource {
  readonly graph: Graph;
  /** `<name>.inputs.json`. */
  readonly inputs?: InputsFile;
  /** `<name>.bindings.json`. */
  readonly bindings?: Choices;
  /** App mode's choice, `extra.linearData` of the editor's own format. */
  readonly linear_data?: unknown;
}

/** What came of a workflow, each as parsed by `parseJson`. */
export interface SourceParts {
  /** A graph in the API format, or the body of ComfyUI's POST /prompt, which has one. */
  readonly workflow: unknown;
  readonly inputs?: unknown;
  readonly bindings?: unknown;
}

/** Throws a FileFault for what is no graph, or wrong in a file beside it. */
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
 * The one text of a source, whatever the order in which its nodes were saved; whole numbers are exact beyond 2^53. What
 * people wrote beside the graph stays in their order, in which inputs are shown.
 */
export function sourceText({ graph, inputs, bindings, linear_data }: WorkflowSource): string {
  return showJson({ graph: inOrder(graph), inputs, bindings, linear_data });
}

/** The version of a workflow by the text of its source: SHA-256 in hex. */
export function versionOf(text: string): string {
  return hash('sha256', text, 'hex');
}

/** Takes what `sourceText` made. Throws a FileFault for anything else. */
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
  // To assign this one would set what the object inherits.
  if (keys.includes('__proto__')) return Object.fromEntries(keys.map((key) => [key, inOrder(value[key])]));
  const ordered: Record<string, unknown> = {};
  for (const key of keys) ordered[key] = inOrder(value[key]);
  return ordered;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object';
}
