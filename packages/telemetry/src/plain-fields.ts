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

/** Replaces every Error among the fields of a log line by its plain form, in place; other values stay as they are. */
export function plainFields<T extends object>(fields: T): T {
  for (const [key, value] of Object.entries(fields)) {
    if (value instanceof Error) Object.assign(fields, { [key]: plainError(value) });
  }
  return fields;
}

function plainError(error: Error, depth = 0): PlainError {
  const plain = (value: unknown) => (value instanceof Error ? plainError(value, depth + 1) : value);
  const { code } = error as { code?: unknown };
  const deeper = depth < MAX_DEPTH;
  return {
    name: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(error.stack === undefined ? {} : { stack: error.stack }),
    ...(error.cause === undefined || !deeper ? {} : { cause: plain(error.cause) }),
    ...(error instanceof AggregateError && deeper ? { errors: error.errors.map(plain) } : {}),
  };
}

export function isPlainError(value: unknown): value is PlainError {
  return typeof value === 'object' && value !== null && 'name' in value && 'message' in value && 'stack' in value;
}
