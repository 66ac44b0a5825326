import { isOpenChoice, isOpenName } from '../describe/class-choices.js';
import { isModelFile } from '../graph.js';
import { showJson } from '../json-text.js';
import { cut, listed } from '../listed.js';
import { isRecord } from '../read-graph.js';
import { type Complaint, complaint } from './complaint.js';
import { MOST_SHOWN, type NodeInput } from './node-inputs.js';
import { convert, Float, pythonRepr, pythonText } from './python.js';

/** Characters of a value in a sentence for people. */
const MOST_CHARS = 100;

/**
 * What is wrong with a value that is no link and no file; undefined: nothing. `store` receives the value as ComfyUI
 * converts it, and makes the answer exact: floats are `Float`, and nothing is accepted that ComfyUI refuses.
 */
export function judgeValue(
  className: string,
  input: NodeInput,
  given: unknown,
  store?: (value: unknown) => void,
): Complaint | undefined {
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
  const isExact = store !== undefined;
  const value = isExact && type === 'FLOAT' ? new Float(Number(result.value)) : result.value;
  store?.(value);
  return outOfBounds(input, value, isExact) ?? notAmong(className, input, value, isExact);
}

/** A file that the caller does not have. */
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
  // Where there is nothing to choose from, scripts of a custom node may fill the list, but no models come that way.
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

/** A whole number that a JavaScript number has rounded is no bound. */
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
