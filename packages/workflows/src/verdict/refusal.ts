import { showJson } from '../json-text.js';
import { cut } from '../wording.js';
import type { NodeInput } from './node-inputs.js';

/** An error of one node or of the prompt, as ComfyUI's POST /prompt answers it. */
export interface ComfyError {
  readonly type: string;
  readonly message: string;
  readonly details: string;
  readonly extra_info: Readonly<Record<string, unknown>>;
}

export type NodeErrors = Readonly<
  Record<
    string,
    {
      readonly errors: readonly ComfyError[];
      readonly dependent_outputs: readonly string[];
      readonly class_type: string;
    }
  >
>;

export interface Refusal {
  readonly error: ComfyError;
  readonly node_errors: NodeErrors;
}

export function refused(
  type: string,
  message: string,
  details: string,
  extra_info: ComfyError['extra_info'] = {},
): Refusal {
  return { error: { type, message, details, extra_info }, node_errors: {} };
}

/** Most node errors in one answer. */
const MOST_ERRORS = 50;
/** Most dependent outputs that are named for one node. */
const MOST_OUTPUTS = 10;
/** Longest text or value in an error. */
const MOST_CHARS = 1000;

/** The first errors, and how many more there are, so that the answer stays small whatever the graph. */
export function boundedNodeErrors(nodes: NodeErrors): NodeErrors {
  const shown: [id: string, node: NodeErrors[string]][] = [];
  let count = 0;
  for (const [id, { errors, dependent_outputs: outputs, class_type: className }] of Object.entries(nodes)) {
    const some = errors.slice(0, Math.max(0, MOST_ERRORS - count)).map(boundedError);
    count += errors.length;
    if (some.length === 0) continue;
    const more = { dependent_outputs: outputs.slice(0, MOST_OUTPUTS), class_type: cut(className, MOST_CHARS) };
    shown.push([id, { errors: some, ...more }]);
  }
  const last = shown.at(-1);
  if (last !== undefined && count > MOST_ERRORS) {
    const message = `and ${count - MOST_ERRORS} more`;
    const left = { type: 'more_errors', message, details: '', extra_info: {} };
    last[1] = { ...last[1], errors: [...last[1].errors, left] };
  }
  return Object.fromEntries(shown);
}

/** The error with shortened texts, and null for other long values, as ComfyUI does for long lists of options. */
export function boundedError({ type, message, details, extra_info: extra }: ComfyError): ComfyError {
  const values = Object.entries(extra).map(([name, value]) => {
    if (typeof value === 'string') return [name, cut(value, MOST_CHARS)];
    return [name, showJson(value).length > MOST_CHARS ? null : value];
  });
  return {
    type,
    message: cut(message, MOST_CHARS),
    details: cut(details, MOST_CHARS),
    extra_info: Object.fromEntries(values),
  };
}

/** What ComfyUI reads when it raises: the inputs of a node, the class of a linked node, or one of its outputs. */
export type RaisedAt = 'inputs' | 'class' | 'slot';

/** An error of one node, in ComfyUI's terms. */
export interface Complaint {
  /** The input that it concerns; undefined: the node as a whole. */
  readonly input: string | undefined;
  /** ComfyUI's type: required_input_missing, value_not_in_list, value_smaller_than_min, return_type_mismatch, … */
  readonly type: string;
  readonly message: string;
  readonly details: string;
  /** ComfyUI's `extra_info`. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** The same for people, so that `<input> <detail>` is a sentence. */
  readonly detail: string;
}

/** A complaint about one input; `extra` is added to its name. */
export function complaint(
  { name }: Pick<NodeInput, 'name'>,
  type: string,
  about: Omit<Complaint, 'input' | 'type'>,
): Complaint {
  return { ...about, input: name, type, extra: { input_name: name, ...about.extra } };
}

/**
 * Makes a verdict exactly that of one ComfyUI, for the simulator. Without it a verdict is that of 0.33, but also
 * refuses what ComfyUI accepts and fails on later, and accepts what custom nodes may fill in.
 */
export interface ServerTraits {
  readonly version: '0.3.64' | '0.33.0';
  /** ComfyUI's name for the file of the input; undefined: the input names no file. */
  readonly fileKindOf: (className: string, input: string) => string | undefined;
  /** ComfyUI stores the converted value of each widget that it validates; a float is a `Float`. */
  readonly store: (node: string, input: string, value: unknown) => void;
  readonly traceback: (place: RaisedAt, isInner: boolean) => readonly string[];
  /** Called with the reason if ComfyUI itself fails and answers 500. */
  readonly crash: (reason: string) => never;
}
