import { showJson } from '../json-text.js';
import { cut } from '../listed.js';

/** Of one node or of the prompt, as ComfyUI's POST /prompt answers it. */
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

/** Errors of all nodes in one answer. */
const MOST_ERRORS = 50;
/** Outputs that are named as depending on one node. */
const MOST_OUTPUTS = 10;
/** Characters of one text or value in an error. */
const MOST_CHARS = 1000;

/** The first errors and how many more there are, so that the answer stays small whatever the graph was. */
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

/** The error with long texts cut, and null in place of other long values, as ComfyUI has it for long lists of options. */
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
