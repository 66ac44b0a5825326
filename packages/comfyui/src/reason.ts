import { plainText } from './errors.js';
import { type Graph, isLink, nameInGraph } from './graph.js';
import { isObject, type JsonObject, listOr, objectOr, textOr } from './json.js';
import { readChoices } from './object-info.js';

/** One reason of a refusal. */
export interface Reason {
  /** The nodes at fault; empty if ComfyUI names none. */
  readonly nodeIds: readonly string[];
  /** The input at fault, if there is one. */
  readonly input?: string | undefined;
  /** What is wrong and where, for people. */
  readonly text: string;
}

/** Looks up the options of an input when the answer omits them. */
export type LookUpChoices = (className: string, input: string) => readonly string[] | undefined;

const MAX_CHOICES = 30;
const KINDS: Readonly<Record<string, string>> = {
  INT: 'a whole number',
  FLOAT: 'a number',
  STRING: 'a text',
  BOOLEAN: 'true or false',
};
/** Inputs whose options are files. They are not listed, because the job's key may not know of all of them. */
const FILE_INPUT = /(?:_name$|^image$)/;
const NO_FILE_INPUT = /^(?:sampler|scheduler)_name$/;
const isFileInput = (input: string) => FILE_INPUT.test(input) && !NO_FILE_INPUT.test(input);

/** ComfyUI's Python writes whole floats as 100.0. */
const tidy = (number: string) => number.replace(/\.0$/, '');

function written(value: unknown): string {
  if (value === undefined) return 'value';
  return plainText(typeof value === 'string' ? `'${value}'` : JSON.stringify(value)).slice(0, 100);
}

function notInList(input: string, info: JsonObject, at: string, known: readonly string[] | undefined): string {
  const wrong = `${input} ${written(info.received_value)}`;
  if (isFileInput(input)) return `${wrong} is not installed at ${at}`;
  const choices = readChoices(info.input_config) ?? known;
  if (choices === undefined) return `${wrong} is unknown at ${at}`;
  const names = [...new Set(choices)];
  const shown = names.slice(0, MAX_CHOICES).join(', ');
  const more = names.length > MAX_CHOICES ? ` and ${names.length - MAX_CHOICES} more` : '';
  return `${wrong} is unknown at ${at}; known: ${shown === '' ? 'none' : shown + more}`;
}

function outOfRange(input: string, message: string, at: string): string | undefined {
  const found = /^Value (\S+) (smaller than min|bigger than max) of (\S+)$/.exec(message);
  if (found === null) return undefined;
  const [, value = '', relation, bound = ''] = found;
  return `${input} ${tidy(value)} is ${relation === 'smaller than min' ? 'below' : 'above'} ${tidy(bound)} at ${at}`;
}

function mismatch(graph: Graph, input: string, info: JsonObject, at: string): string {
  const wanted = textOr(listOr(info.input_config)[0]);
  const from = textOr(listOr(info.linked_node)[0]);
  const given = textOr(info.received_type);
  const needs = wanted === undefined ? '' : ` needs ${wanted}, but`;
  const source = from === undefined ? 'the node it is linked to' : nameInGraph(graph, from);
  return `${input} of ${at}${needs} gets ${given ?? 'another type'} from ${source}`;
}

/** The reason in one entry of `node_errors[id].errors`. */
export function readReason(
  graph: Graph,
  node: { id: string; className: string | undefined },
  entry: unknown,
  lookUp: LookUpChoices,
): Reason {
  const error = objectOr(entry);
  const info = objectOr(error.extra_info);
  const type = textOr(error.type) ?? '';
  const message = textOr(error.message) ?? '';
  const details = textOr(error.details) ?? '';
  const input = textOr(info.input_name);
  const name = input ?? 'an input';
  const at = nameInGraph(graph, node.id, node.className);
  const reason = (text: string): Reason => ({ nodeIds: [node.id], input, text });
  const asTold = () => reason(`${plainText(details === '' ? message : `${message}: ${details}`)} at ${at}`);

  switch (type) {
    case 'required_input_missing':
      return reason(`${name} is missing at ${at}`);
    case 'value_not_in_list':
      return reason(notInList(name, info, at, lookUp(node.className ?? '', name)));
    case 'value_smaller_than_min':
    case 'value_bigger_than_max': {
      const text = outOfRange(name, message, at);
      return text === undefined ? asTold() : reason(text);
    }
    case 'invalid_input_type': {
      const kind = textOr(listOr(info.input_config)[0]) ?? '';
      return reason(`${name} ${written(info.received_value)} is not ${KINDS[kind] ?? `of type ${kind}`} at ${at}`);
    }
    case 'bad_linked_input':
      return reason(`${name} of ${at} has an invalid link: a link is [node id, number of the output]`);
    case 'return_type_mismatch':
      return reason(mismatch(graph, name, info, at));
    case 'custom_validation_failed':
      return reason(`${plainText(details.replace(' - ', ': '))} at ${at}`);
    case 'dependency_cycle': {
      const nodeIds = listOr(info.cycle_nodes).filter((id) => typeof id === 'string');
      return { nodeIds: nodeIds.length === 0 ? [node.id] : nodeIds, text: circle(graph, nodeIds, details) };
    }
    case 'exception_during_inner_validation': {
      // The input that it names belongs to the linked node.
      const fault = wiringFault(graph, node.id, textOr(info.exception_type));
      return fault === undefined
        ? { nodeIds: [node.id], text: exceptionText(info, details, at) }
        : { nodeIds: [node.id], ...fault };
    }
    case 'exception_during_validation':
      return { nodeIds: [node.id], text: exceptionText(info, details, at) };
    default:
      return asTold();
  }
}

function exceptionText(info: JsonObject, details: string, at: string): string {
  const what = plainText(textOr(info.exception_message) ?? details);
  return `checking ${at} failed: ${textOr(info.exception_type) ?? 'an error'} (${what})`;
}

/** `the nodes form a circle: ImageInvert 1 → ImageInvert 2 → ImageInvert 1` */
export function circle(graph: Graph, nodeIds: readonly string[], details: string): string {
  const [first] = nodeIds;
  if (first === undefined) return `the nodes form a circle: ${plainText(details)}`;
  return `the nodes form a circle: ${[...nodeIds, first].map((id) => nameInGraph(graph, id)).join(' → ')}`;
}

/** The class whose description has the options, if the answer omits them because there are more than 20. */
export function classOfHiddenChoices(className: string | undefined, entry: unknown): string | undefined {
  if (!isObject(entry) || entry.type !== 'value_not_in_list') return undefined;
  const { input_name: input, input_config: config } = objectOr(entry.extra_info);
  const isShown = readChoices(config) !== undefined || isFileInput(textOr(input) ?? '');
  return isShown ? undefined : className;
}

/** A fault that the graph itself shows. */
export interface WiringFault {
  readonly input?: string;
  readonly text: string;
}

/**
 * The error in a node's links when ComfyUI only reports an exception during validation (recorded details: `'99'`,
 * `tuple index out of range`, `'inputs'`).
 */
function wiringFault(graph: Graph, id: string, exceptionType: string | undefined): WiringFault | undefined {
  const at = nameInGraph(graph, id);
  const inputs: unknown = graph[id]?.inputs;
  if (typeof inputs !== 'object' || inputs === null) return { text: `${at} has no inputs` };
  let highest: { input: string; source: string; slot: number } | undefined;
  for (const [input, value] of Object.entries(inputs)) {
    if (!isLink(value)) continue;
    const [source, slot] = value;
    if (typeof source === 'number') {
      return {
        input,
        text: `${input} of ${at} is linked to ${source}: the id of a node must be a string, "${source}"`,
      };
    }
    if (typeof source !== 'string' || typeof slot !== 'number') continue;
    if (!Object.hasOwn(graph, source)) {
      return { input, text: `${input} of ${at} is linked to node ${source}, which is not in the workflow` };
    }
    if (highest === undefined || slot > highest.slot) highest = { input, source, slot };
  }
  if (exceptionType !== 'IndexError' || highest === undefined) return undefined;
  const { input, source, slot } = highest;
  return {
    input,
    text: `${input} of ${at} is linked to output ${slot} of ${nameInGraph(graph, source)}, which has fewer outputs`,
  };
}

/** The ids of a circle of links, in their direction, or undefined if there is none. */
export function findCircle(graph: Graph): readonly string[] | undefined {
  const done = new Set<string>();
  for (const start of Object.keys(graph)) {
    const path: string[] = [];
    const found = walk(graph, start, path, done);
    if (found !== undefined) return found;
  }
  return undefined;
}

function walk(graph: Graph, id: string, path: string[], done: Set<string>): readonly string[] | undefined {
  const seen = path.indexOf(id);
  if (seen >= 0) return path.slice(seen).reverse();
  if (done.has(id) || !Object.hasOwn(graph, id)) return undefined;
  path.push(id);
  for (const value of Object.values(graph[id]?.inputs ?? {})) {
    if (!isLink(value) || typeof value[0] !== 'string') continue;
    const found = walk(graph, value[0], path, done);
    if (found !== undefined) return found;
  }
  path.pop();
  done.add(id);
  return undefined;
}
