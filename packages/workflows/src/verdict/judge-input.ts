import { type Catalogue, hasClass } from '../describe/catalogue.js';
import { isOpenChoice, isOpenName } from '../describe/class-choices.js';
import { type Graph, isModelFile, nodeAt } from '../graph.js';
import { showJson } from '../json-text.js';
import { isRecord } from '../read-graph.js';
import { cut, listed } from '../wording.js';
import { MOST_SHOWN, type NodeInput } from './node-inputs.js';
import { convert, Float, pythonRepr, pythonText } from './python.js';
import { type Complaint, complaint, type RaisedAt } from './refusal.js';

/** Longest value in a sentence for people. */
const MOST_CHARS = 100;

/**
 * The error of a value that is neither a link nor a file; undefined: none. `store` receives the value as ComfyUI
 * converts it, and makes the answer exact: floats are `Float`, and nothing is accepted that ComfyUI refuses.
 */
export function judgeValue(
  className: string,
  input: NodeInput,
  given: unknown,
  store?: (value: unknown) => void,
): Complaint | undefined {
  // The editor wraps lists like this, because plain lists are links.
  const unwrapped = isRecord(given) && '__value__' in given ? given.__value__ : given;
  const { type, name } = input;
  const result = convert(type, unwrapped);
  if ('fault' in result) {
    const { fault } = result;
    return complaint(input, 'invalid_input_type', {
      message: `Failed to convert an input value to a ${String(type)} value`,
      details: `${name}, ${pythonText(unwrapped)}, ${fault}`,
      extra: { input_config: input.config, received_value: unwrapped, exception_message: fault },
      detail: `is ${shown(unwrapped)}, which is no number`,
    });
  }
  const isExact = store !== undefined;
  const value = isExact && type === 'FLOAT' ? new Float(Number(result.value)) : result.value;
  store?.(value);
  return outOfBounds(input, value, isExact) ?? notAmong(className, input, value, isExact);
}

/** The error of a file that the caller does not have. */
export function noSuchFile(input: NodeInput, kind: string, value: unknown): Complaint {
  const named = pythonText(value);
  return complaint(input, 'custom_validation_failed', {
    message: 'Custom validation failed for node',
    details: `${input.name} - Invalid ${kind === 'file' ? 'file' : `${kind} file`}: ${named}`,
    extra: {},
    detail: `is ${shown(value)}, and there is no such file`,
  });
}

function outOfBounds(input: NodeInput, value: unknown, isExact: boolean): Complaint | undefined {
  const { min, max } = input.more;
  const [number, least, most] = [numberOf(value), boundOf(min, input), boundOf(max, input)];
  if (number === undefined) return undefined;
  const isSmall = least !== undefined && number < least;
  const isBig = most !== undefined && number > most;
  if (!isSmall && !isBig) return undefined;
  const extra = { input_config: input.config, received_value: value };
  const isFloat = input.type === 'FLOAT' && !isExact;
  const text = (one: unknown) => pythonText(isFloat && typeof one === 'number' ? new Float(one) : one);
  if (isSmall) {
    const message = `Value ${text(value)} smaller than min of ${text(min)}`;
    const detail = `is ${shown(value)}, and the least is ${min}`;
    return complaint(input, 'value_smaller_than_min', { message, details: input.name, extra, detail });
  }
  const message = `Value ${text(value)} bigger than max of ${text(max)}`;
  const detail = `is ${shown(value)}, and the most is ${max}`;
  return complaint(input, 'value_bigger_than_max', { message, details: input.name, extra, detail });
}

function notAmong(className: string, input: NodeInput, value: unknown, isExact: boolean): Complaint | undefined {
  const { options, name, type, more, config } = input;
  if (options === undefined || options.includes(value)) return undefined;
  const isOpen = isExact ? isOpenName(className, name) : isOpenChoice(className, name, [type, more]);
  if (isOpen) return undefined;
  const several = more.multiselect === true && Array.isArray(value) ? (value as unknown[]) : [value];
  if (several.every((one) => options.includes(one))) return undefined;
  // Scripts of a custom node may fill an empty list, but never with models.
  if (options.length === 0 && !isExact && !several.some(isModelFile)) return undefined;
  const isLong = options.length > MOST_SHOWN;
  const list = isLong ? `(list of length ${options.length})` : pythonRepr(options);
  return complaint(input, 'value_not_in_list', {
    message: 'Value not in list',
    details: `${name}: '${pythonText(value)}' not in ${list}`,
    extra: { input_config: isLong ? null : config, received_value: value },
    detail: `is ${shown(value)}, and there is ${options.length === 0 ? 'none' : `only ${listed(options.map(String))}`}`,
  });
}

/** An integer bound that a JavaScript number has rounded is ignored. */
function boundOf(bound: unknown, { type }: NodeInput): number | bigint | undefined {
  return type === 'INT' && typeof bound === 'number' && !Number.isSafeInteger(bound) ? undefined : numberOf(bound);
}

function numberOf(value: unknown): number | bigint | undefined {
  if (value instanceof Float) return value.value;
  return typeof value === 'number' || typeof value === 'bigint' ? value : undefined;
}

function shown(value: unknown): string {
  return cut(showJson(value), MOST_CHARS);
}

/** An exception of Python, after which ComfyUI reports nothing more about the node. */
export interface Raised {
  readonly exception: string;
  readonly text: string;
  readonly place: RaisedAt;
  readonly input: string | undefined;
  /** For people, after the name of the input. */
  readonly detail: string;
}

/** The error of a list, which is how links are written; undefined: none. */
export function judgeLink(
  graph: Graph,
  input: NodeInput,
  link: readonly unknown[],
  catalogue: Catalogue,
): Complaint | Raised | undefined {
  const { name, config, type } = input;
  if (link.length !== 2) {
    return complaint(input, 'bad_linked_input', {
      message: 'Bad linked input, must be a length-2 list of [node_id, slot_index]',
      details: name,
      extra: { input_config: config, received_value: link },
      detail: 'is a list, and no link: [id of a node, number of its output]',
    });
  }
  const [source, slot] = link;
  if (typeof source !== 'string' || !Object.hasOwn(graph, source)) {
    const text = pythonRepr(source);
    const detail = `is linked to node ${text}, which is not there`;
    return { exception: 'KeyError', text, place: 'class', input: name, detail };
  }
  const { class_type: className } = nodeAt(graph, source);
  const from = hasClass(catalogue, className) ? catalogue[className] : undefined;
  if (!isRecord(from) || !Array.isArray(from.output)) return undefined;
  const outputs = from.output as readonly unknown[];
  if (typeof slot !== 'number') {
    const text = 'tuple indices must be integers or slices';
    const detail = 'is a link without the number of an output';
    return { exception: 'TypeError', text, place: 'slot', input: name, detail };
  }
  // A list that ends in `*` stands for any number of outputs of custom nodes.
  const received = outputs.at(slot) ?? (outputs.at(-1) === '*' ? '*' : undefined);
  if (received === undefined) {
    const detail = `is linked to output ${slot} of node ${source}, which has ${outputs.length}`;
    return { exception: 'IndexError', text: 'tuple index out of range', place: 'slot', input: name, detail };
  }
  if (isMatch(received, type)) return undefined;
  return complaint(input, 'return_type_mismatch', {
    message: 'Return type mismatch between linked nodes',
    details: `${name}, received_type(${pythonText(received)}) mismatch input_type(${pythonText(type)})`,
    extra: { input_config: config, received_type: received, linked_node: link },
    detail: `is linked to a ${typeName(received)}, and takes a ${typeName(type)}`,
  });
}

/** Types may be unions: `IMAGE,MASK`. Inputs with options accept the value of any others. */
function isMatch(received: unknown, wanted: unknown): boolean {
  if (received === wanted || received === '*' || wanted === '*') return true;
  // COMFY_MATCHTYPE_V3: only the editor checks whether these types match.
  if ([received, wanted].some((type) => typeof type === 'string' && type.startsWith('COMFY_'))) return true;
  if (typeof received !== 'string' || typeof wanted !== 'string')
    return received === 'COMBO' || Array.isArray(received);
  const kinds = wanted.split(',').map((type) => type.trim());
  const given = received.split(',').map((type) => type.trim());
  return kinds.includes('*') || given.some((kind) => kind === '*' || kinds.includes(kind));
}

function typeName(type: unknown): string {
  return typeof type === 'string' ? type : 'choice';
}
