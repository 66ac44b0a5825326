import { Writable } from 'node:stream';
import { inspect, styleText } from 'node:util';
import type { ErrorCode } from '@comfy-fleet/contracts';
import { configure } from 'safe-stable-stringify';
import winston from 'winston';
import { traceIds } from './tracing-spans.js';

/**
 * Takes lines for a stream and writes those of one turn of the event loop at once: a system call for each costs a busy
 * process more than to make it. The last ones are written when the process exits.
 */
export function byTurn(stream: NodeJS.WritableStream): Writable {
  let lines = '';
  const flush = () => {
    if (lines !== '') stream.write(lines);
    lines = '';
  };
  process.on('exit', flush);
  return new Writable({
    decodeStrings: false,
    write(line: string, _encoding, done) {
      if (lines === '') setImmediate(flush);
      lines += line;
      done();
    },
  });
}

/** How deep causes are followed; a chain that long, or one that bites its tail, says nothing new. */
const MAX_DEPTH = 6;

/** An Error as data: what JSON would otherwise turn into `{}`. */
interface PlainError {
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

interface PlainOptions {
  /** Whether prompts may be in the log. */
  readonly prompts: boolean;
}

/**
 * Replaces every Error among the fields of a log line by its plain form, and every bigint by its digits as text, since a
 * number in JSON is rounded by who reads it; in place. Other values stay as they are.
 */
function plainFields<T extends object>(fields: T, options: PlainOptions): T {
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

function isPlainError(value: unknown): value is PlainError {
  return typeof value === 'object' && value !== null && 'name' in value && 'message' in value && 'stack' in value;
}

const LEVEL_COLOURS: Readonly<Record<string, 'red' | 'yellow' | 'green' | 'blue'>> = {
  error: 'red',
  warn: 'yellow',
  info: 'green',
  debug: 'blue',
};

/** `12:03:44.120 INFO  worker job finished job=0198… ms=12`, coloured, always exactly one line. */
function prettyLine(info: Readonly<Record<string, unknown>> & { readonly level: string }): string {
  const { timestamp, level, service, message, ...fields } = info;
  const time = String(timestamp).slice(11, 23);
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined) // JSON leaves it out as well
    .map(([key, value]) => `${paint('cyan', `${key}=`)}${show(value)}`);
  return [
    paint('gray', time),
    paint(LEVEL_COLOURS[level] ?? 'white', level.toUpperCase().padEnd(5)),
    paint('magenta', String(service)),
    oneLine(String(message)),
    ...pairs,
  ].join(' ');
}

/** Coloured even into a pipe: whoever asks for `pretty` has a reader at its other end. */
function paint(colour: Parameters<typeof styleText>[0], text: string): string {
  return styleText(colour, text, { validateStream: false });
}

function show(value: unknown): string {
  if (isPlainError(value)) return quote(sentence(value));
  if (typeof value === 'string') return /^[^\s"=\p{C}]+$/u.test(value) ? value : quote(value);
  if (typeof value !== 'object' || value === null) return String(value);
  return oneLine(inspect(value, { depth: 4, breakLength: Number.POSITIVE_INFINITY, compact: true }));
}

/** The stack is left to the json format; the line where the error arose is what a reader looks for first. */
function sentence({ name, message, code, stack, cause, errors }: PlainError): string {
  const where = stack
    ?.split('\n')
    .find((line) => line.trimStart().startsWith('at '))
    ?.trim();
  const head =
    code === undefined || message.startsWith(`${code}`) ? `${name}: ${message}` : `${name} ${code}: ${message}`;
  const causes = [...(cause === undefined ? [] : [cause]), ...(errors ?? [])];
  const because = causes.map((each) => ` <- ${isPlainError(each) ? sentence(each) : inspect(each)}`);
  return `${head}${where === undefined ? '' : ` (${where})`}${because.join('')}`;
}

/** Prompts and other people's words reach the log; control characters among them must not steer the terminal. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, (char) =>
    char === '\n' ? '\\n' : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

function quote(text: string): string {
  return `"${oneLine(text.replaceAll('"', '\\"'))}"`;
}

export type Logger = winston.Logger;
export type LogLevel = 'error' | 'warn' | 'info' | 'debug';
export type LogFormat = 'json' | 'pretty';

export interface LoggerOptions {
  /** Who speaks: on every line. */
  readonly service: string;
  readonly level: LogLevel;
  /**
   * `json`: one object a line, for machines. `pretty`: one coloured line, for a terminal. Undefined: pretty when the
   * stream is a terminal, else json.
   */
  readonly format?: LogFormat | undefined;
  /** Whether prompts may be in the log; else errors that may quote one are written without their words. */
  readonly prompts?: boolean;
  /** Where the lines go; standard output unless told otherwise. */
  readonly stream?: NodeJS.WritableStream;
}

let output: NodeJS.WritableStream | undefined;

/** One for all loggers of the process. */
function standardOutput(): NodeJS.WritableStream {
  output ??= byTurn(process.stdout);
  return output;
}

/** What JSON itself cannot write, such as an object within itself. */
const safeLine = configure({ deterministic: false }) as (info: object) => string;

/** As winston's own json format, for nearly every line in a fraction of its time. */
function jsonLine(info: object): string {
  try {
    return JSON.stringify(info);
  } catch {
    return safeLine(info);
  }
}

/**
 * Makes a logger: `log.info('job finished', { job: id, ms: 12 })`, `log.child({ instance })`. An Error in any field is
 * written with its name, message, code, stack and causes, so `log.error('what failed', { error })` loses nothing but
 * what may quote a prompt.
 * Lines of a trace have its `trace_id` and `span_id`.
 */
export function createLogger(options: LoggerOptions): Logger {
  const { service, level, format, prompts = false, stream } = options;
  const { combine, timestamp, printf } = winston.format;
  // First of all: winston makes a line, with the stacks of its errors, before it looks whether anybody wants that level.
  const wanted = winston.format((info) => logger.isLevelEnabled(info.level) && info)();
  const fields = winston.format((info) => plainFields(Object.assign(info, traceIds()), { prompts }))();
  const lines = (format ?? readableFor(stream ?? process.stdout)) === 'json' ? printf(jsonLine) : printf(prettyLine);
  const logger = winston.createLogger({
    level,
    defaultMeta: { service },
    format: combine(wanted, fields, timestamp(), lines),
    transports: [new winston.transports.Stream({ stream: stream ?? standardOutput() })],
  });
  return logger;
}

function readableFor(stream: NodeJS.WritableStream): LogFormat {
  return 'isTTY' in stream && stream.isTTY === true ? 'pretty' : 'json';
}
