import type { Catalogue } from '../catalogue/catalogue.js';
import type { InputSpec } from '../catalogue/input-specs.js';
import { FILE_INPUTS } from '../input-files.js';
import { ConversionError, convertTo } from '../json/convert.js';
import { pythonRepr, pythonStr } from '../json/python-text.js';
import { isNumeric, isObject, type Json, type JsonObject, toNumber } from '../json/values.js';
import type { ComfyVersion } from '../settings.js';
import { type ErrorBody, errorBody, PythonError, traceback } from './errors.js';

/** Lines of execution.py in tracebacks, by version. */
const LINES = {
  '0.3.64': { inputs: 730, class: 788, slot: 790, inner: 808 },
  '0.33.0': { inputs: 870, class: 933, slot: 935, inner: 955 },
} as const;
const LONG_LIST = 20;

export interface Verdict {
  readonly valid: boolean;
  readonly errors: readonly ErrorBody[];
}

export interface InputCheckers {
  readonly catalogue: Catalogue;
  readonly version: ComfyVersion;
  /** Whether LoadImage and its like would find this file. */
  readonly fileExists: (name: string) => boolean;
}

/**
 * ComfyUI's validation of one output and everything above it. Values of widgets are converted in place: the stored
 * graph is the converted one. `verdicts` holds what is known of each node; a node whose input is bad is itself
 * invalid, without errors of its own.
 */
export function validateNode(
  id: string,
  graph: JsonObject,
  verdicts: Map<string, Verdict>,
  use: InputCheckers,
): Verdict {
  const known = verdicts.get(id);
  if (known !== undefined) return known;
  const lines = LINES[use.version];
  const node = graph[id] as JsonObject;
  if (!Object.hasOwn(node, 'inputs')) throw new PythonError('KeyError', "'inputs'", lines.inputs);
  const inputs = node.inputs as Json;
  if (!isObject(inputs))
    throw new PythonError(
      'TypeError',
      `argument of type '${inputs === null ? 'NoneType' : 'list'}' is not iterable`,
      lines.inputs,
    );
  const classType = node.class_type as string;
  const errors: ErrorBody[] = [];
  let valid = true;
  for (const [name, spec] of use.catalogue.inputs(classType, inputs)) {
    const value = inputs[name];
    if (value === undefined) {
      if (spec.required)
        errors.push(
          errorBody('required_input_missing', 'Required input is missing', spec.shortName, { input_name: name }),
        );
    } else if (Array.isArray(value)) {
      const error = checkLink(name, value, spec, graph, use);
      if (error !== undefined) errors.push(error);
      else if (!validateUpstream(name, value, spec, graph, verdicts, use)) valid = false;
    } else if (FILE_INPUTS[classType]?.input === name) {
      const file = pythonStr(value);
      if (!use.fileExists(file)) errors.push(noSuchFile(name, FILE_INPUTS[classType].called, file));
    } else {
      const error = checkValue(name, value, spec, inputs);
      if (error !== undefined) errors.push(error);
    }
  }
  const verdict = { valid: valid && errors.length === 0, errors };
  verdicts.set(id, verdict);
  return verdict;
}

function noSuchFile(name: string, kind: string, file: string): ErrorBody {
  const details = `${name} - Invalid ${kind} file: ${file}`;
  return errorBody('custom_validation_failed', 'Custom validation failed for node', details, { input_name: name });
}

/** A link's form and type. Throws a PythonError where ComfyUI trips over it. */
function checkLink(
  name: string,
  link: Json[],
  spec: InputSpec,
  graph: JsonObject,
  use: InputCheckers,
): ErrorBody | undefined {
  const lines = LINES[use.version];
  if (link.length !== 2) {
    const message = 'Bad linked input, must be a length-2 list of [node_id, slot_index]';
    return errorBody('bad_linked_input', message, name, {
      input_name: name,
      input_config: spec.config,
      received_value: link,
    });
  }
  const [source, slot] = link as [Json, Json];
  if (typeof source !== 'string' || !Object.hasOwn(graph, source)) {
    throw new PythonError('KeyError', pythonRepr(source), lines.class);
  }
  const types = use.catalogue.returnTypes((graph[source] as JsonObject).class_type as string);
  if (typeof slot !== 'number')
    throw new PythonError('TypeError', 'tuple indices must be integers or slices', lines.slot);
  const received = types.at(slot);
  if (received === undefined) throw new PythonError('IndexError', 'tuple index out of range', lines.slot);
  if (typesMatch(received, spec.type)) return undefined;
  const details = `${name}, received_type(${pythonStr(received)}) mismatch input_type(${pythonStr(spec.type)})`;
  return errorBody('return_type_mismatch', 'Return type mismatch between linked nodes', details, {
    input_name: name,
    input_config: spec.config,
    received_type: received,
    linked_node: link,
  });
}

function validateUpstream(
  name: string,
  link: Json[],
  spec: InputSpec,
  graph: JsonObject,
  verdicts: Map<string, Verdict>,
  use: InputCheckers,
): boolean {
  const source = link[0] as string;
  try {
    return validateNode(source, graph, verdicts, use).valid;
  } catch (error) {
    if (!(error instanceof PythonError)) throw error;
    const reason = errorBody(
      'exception_during_inner_validation',
      'Exception when validating inner node',
      error.message,
      {
        input_name: name,
        input_config: spec.config,
        exception_message: error.message,
        exception_type: error.type,
        traceback: traceback([LINES[use.version].inner, error.line]),
        linked_node: link,
      },
    );
    verdicts.set(source, { valid: false, errors: [reason] });
    return false;
  }
}

function typesMatch(received: Json, wanted: Json): boolean {
  if (received === '*' || wanted === '*') return true;
  // only the front end checks whether these types match each other
  if ([received, wanted].some((type) => typeof type === 'string' && type.startsWith('COMFY_MATCHTYPE'))) return true;
  if (typeof received !== 'string' || typeof wanted !== 'string')
    return received === 'COMBO' || Array.isArray(received);
  const kinds = new Set(wanted.split(',').map((type) => type.trim()));
  return received.split(',').some((type) => kinds.has(type.trim()));
}

function checkValue(name: string, given: Json, spec: InputSpec, inputs: JsonObject): ErrorBody | undefined {
  const config = { input_name: name, input_config: spec.config };
  const unwrapped = isObject(given) && given.__value__ !== undefined ? given.__value__ : given;
  let value: Json;
  try {
    value = convertTo(spec.type, unwrapped);
  } catch (error) {
    if (!(error instanceof ConversionError)) throw error;
    const message = `Failed to convert an input value to a ${pythonStr(spec.type)} value`;
    const details = `${name}, ${pythonStr(unwrapped)}, ${error.message}`;
    return errorBody('invalid_input_type', message, details, {
      ...config,
      received_value: unwrapped,
      exception_message: error.message,
    });
  }
  inputs[name] = value;
  const { min, max } = spec.options;
  if (isNumeric(value) && isNumeric(min) && less(value, min)) {
    const message = `Value ${pythonStr(value)} smaller than min of ${pythonStr(min)}`;
    return errorBody('value_smaller_than_min', message, name, { ...config, received_value: value });
  }
  if (isNumeric(value) && isNumeric(max) && less(max, value)) {
    const message = `Value ${pythonStr(value)} bigger than max of ${pythonStr(max)}`;
    return errorBody('value_bigger_than_max', message, name, { ...config, received_value: value });
  }
  const choices = Array.isArray(spec.type)
    ? spec.type
    : spec.type === 'COMBO'
      ? ((spec.options.options ?? []) as Json[])
      : undefined;
  if (choices === undefined || choices.includes(value)) return undefined;
  if (spec.options.multiselect === true && Array.isArray(value)) {
    if (value.every((each) => choices.includes(each))) return undefined;
  }
  // its list is the author's of the graph, not the server's
  if (spec.shortName === 'choice' && choices.length === 0) return undefined;
  const isLong = choices.length > LONG_LIST;
  const list = isLong ? `(list of length ${choices.length})` : pythonRepr(choices);
  return errorBody('value_not_in_list', 'Value not in list', `${name}: '${pythonStr(value)}' not in ${list}`, {
    input_name: name,
    input_config: isLong ? null : spec.config,
    received_value: value,
  });
}

function less(a: Json, b: Json): boolean {
  if (typeof a === 'bigint' || typeof b === 'bigint') {
    if (typeof a !== 'object' && typeof b !== 'object') return (a as bigint) < (b as bigint);
  }
  return toNumber(a) < toNumber(b);
}
