import { isOpenChoice } from '../describe/class-choices.js';
import type { Widget } from '../describe/widget.js';
import { showJson } from '../json-text.js';
import { listed } from '../listed.js';
import { isModelFile } from '../model-file.js';
import { isRecord } from '../read-graph.js';
import { type Complaint, complaint } from './complaint.js';
import { MOST_SHOWN, type NodeInput } from './node-inputs.js';
import { convert, pythonRepr, pythonText } from './python.js';

/** Characters of a value in a sentence for people. */
const MOST_CHARS = 100;

/** What is wrong with a value that is no link and no file; undefined: nothing. */
export function judgeValue(className: string, input: NodeInput, given: unknown): Complaint | undefined {
  // The editor wraps lists so, for lists are links.
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
  return outOfBounds(input, result.value) ?? notAmong(className, input, result.value);
}

/** A file that the caller does not have. */
export function noSuchFile(input: NodeInput, kind: Widget['type'], value: unknown): Complaint {
  const named = pythonText(value);
  return complaint(input, 'custom_validation_failed', {
    message: 'Custom validation failed for node',
    details: `${input.name} - Invalid ${kind === 'file' ? 'file' : `${kind} file`}: ${named}`,
    extra: {},
    detail: `is ${shown(value)}, and there is no such file`,
  });
}

function outOfBounds(input: NodeInput, value: unknown): Complaint | undefined {
  if (!isNumber(value)) return undefined;
  const { min, max } = input.more;
  const isSmall = isBound(min, input) && value < min;
  const isBig = isBound(max, input) && value > max;
  if (!isSmall && !isBig) return undefined;
  const extra = { input_config: input.config, received_value: value };
  const text = (number: unknown) => pythonText(number, input.type);
  if (isSmall) {
    const message = `Value ${text(value)} smaller than min of ${text(min)}`;
    const detail = `is ${shown(value)}, and the least is ${min}`;
    return complaint(input, 'value_smaller_than_min', { message, details: input.name, extra, detail });
  }
  const message = `Value ${text(value)} bigger than max of ${text(max)}`;
  const detail = `is ${shown(value)}, and the most is ${max}`;
  return complaint(input, 'value_bigger_than_max', { message, details: input.name, extra, detail });
}

function notAmong(className: string, input: NodeInput, value: unknown): Complaint | undefined {
  const { options, name, type, more, config } = input;
  if (options === undefined || options.includes(value) || isOpenChoice(className, name, [type, more])) return undefined;
  const several = more.multiselect === true && Array.isArray(value) ? (value as unknown[]) : [value];
  if (several.every((one) => options.includes(one))) return undefined;
  // Where there is nothing to choose from, scripts of a custom node may fill the list, but no models come that way.
  if (options.length === 0 && !several.some(isModelFile)) return undefined;
  const list = options.length > MOST_SHOWN ? `(list of length ${options.length})` : pythonRepr(options);
  return complaint(input, 'value_not_in_list', {
    message: 'Value not in list',
    details: `${name}: '${pythonText(value)}' not in ${list}`,
    extra: { input_config: config, received_value: value },
    detail: `is ${shown(value)}, and there is ${options.length === 0 ? 'none' : `only ${listed(options.map(String))}`}`,
  });
}

/** A whole number that a JavaScript number has rounded is no bound. */
function isBound(bound: unknown, { type }: NodeInput): bound is number | bigint {
  return isNumber(bound) && (type !== 'INT' || typeof bound === 'bigint' || Number.isSafeInteger(bound));
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

function shown(value: unknown): string {
  const text = showJson(value);
  return text.length > MOST_CHARS ? `${text.slice(0, MOST_CHARS)}…` : text;
}
