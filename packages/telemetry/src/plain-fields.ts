import type { ErrorCode } from '@comfy-fleet/contracts';

/** How deep causes are followed; a chain that long, or one that bites its tail, says nothing new. */
const MAX_DEPTH = 6;

/** An Error as data: what JSON would otherwise turn into `{}`. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly code?: unknown;
  readonly stack?: string;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
}

/** Whose words may be, or quote, what a caller wrote: a node of ComfyUI names the text that it chokes on. */
const QUOTING: readonly unknown[] = [
  'workflow_rejected',
  'node_execution_error',
  'malformed_json',
  'validation_failed',
] satisfies ErrorCode[];

const WITHHELD = '(withheld, since it may quote a prompt; the job has it)';

export interface PlainOptions {
  /** Whether prompts may be in the log. */
  readonly prompts: boolean;
}

/**
 * Replaces every Error among the fields of a log line by its plain form, and every bigint by its digits as text, since a
 * number in JSON is rounded by who reads it; in place. Other values stay as they are.
 */
export function plainFields<T extends object>(fields: T, options: PlainOptions): T {
  for (const [key, value] of Object.entries(fields)) {
    if (value instanceof Error) Object.assign(fields, { [key]: plainError(value, options) });
    else if (typeof value === 'bigint') Object.assign(fields, { [key]: `${value}` });
  }
  return fields;
}

function plainError(error: Error, options: PlainOptions, depth = 0): PlainError {
  const plain = (value: unknown) => (value instanceof Error ? plainError(value, options, depth + 1) : value);
  const { code } = error as { code?: unknown };
  const deeper = depth < MAX_DEPTH;
  // A parser shows the piece of text that it does not understand.
  const isQuoting = QUOTING.includes(code) || error instanceof SyntaxError;
  const message = isQuoting && !options.prompts ? WITHHELD : error.message;
  return {
    name: error.name,
    message,
    ...(code === undefined ? {} : { code }),
    // It begins with the message.
    ...(error.stack === undefined ? {} : { stack: error.stack.replace(error.message, () => message) }),
    ...(error.cause === undefined || !deeper ? {} : { cause: plain(error.cause) }),
    ...(error instanceof AggregateError && deeper ? { errors: error.errors.map(plain) } : {}),
  };
}

export function isPlainError(value: unknown): value is PlainError {
  return typeof value === 'object' && value !== null && 'name' in value && 'message' in value && 'stack' in value;
}
