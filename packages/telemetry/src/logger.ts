import { Writable } from 'node:stream';
import { inspect, styleText } from 'node:util';
import type { ErrorCode } from '@comfy-fleet/contracts';
import { configure } from 'safe-stable-stringify';
import winston from 'winston';
import { traceIds } from './tracing-spans.js';

/**
 * Buffers the lines of one turn of the event loop and writes them at once, because a system call costs a busy process
 * more than creating the line. The last lines are written when the process exits.
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

/** How deep causes are followed; longer or circular chains add nothing. */
const MAX_DEPTH = 6;

/** An Error as plain data, because JSON would turn it into `{}`. */
interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly code?: unknown;
  readonly stack?: string;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
}

/** Errors whose text may quote a caller: a ComfyUI node quotes the text that it fails on. */
const QUOTING: readonly unknown[] = [
  'workflow_rejected',
  'node_execution_error',
  'malformed_json',
  'validation_failed',
] satisfies ErrorCode[];

const WITHHELD = '(withheld, because it may quote a prompt; the job has it)';

interface PlainOptions {
  /** Whether prompts may be in the log. */
  readonly prompts: boolean;
}

/**
 * Replaces, in place, every Error among the fields of a log line by its plain form, and every bigint by its digits as a
 * string, because readers would round a JSON number. Other values stay as they are.
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
  // A parser quotes the text that it does not understand.
  const isQuoting = QUOTING.includes(code) || error instanceof SyntaxError;
  const message = isQuoting && !options.prompts ? WITHHELD : error.message;
  return {
    name: error.name,
    message,
    ...(code === undefined ? {} : { code }),
    // The stack begins with the message.
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
    .filter(([, value]) => value !== undefined) // JSON omits it as well
    .map(([key, value]) => `${paint('cyan', `${key}=`)}${show(value)}`);
  return [
    paint('gray', time),
    paint(LEVEL_COLOURS[level] ?? 'white', level.toUpperCase().padEnd(5)),
    paint('magenta', String(service)),
    oneLine(String(message)),
    ...pairs,
  ].join(' ');
}

/** Coloured even in a pipe, because `pretty` means that a person reads it. */
function paint(colour: Parameters<typeof styleText>[0], text: string): string {
  return styleText(colour, text, { validateStream: false });
}

function show(value: unknown): string {
  if (isPlainError(value)) return quote(sentence(value));
  if (typeof value === 'string') return /^[^\s"=\p{C}]+$/u.test(value) ? value : quote(value);
  if (typeof value !== 'object' || value === null) return String(value);
  return oneLine(inspect(value, { depth: 4, breakLength: Number.POSITIVE_INFINITY, compact: true }));
}

/** Only the json format has the stack; readers first look for the line where the error arose. */
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

/** Prompts and foreign texts reach the log; control characters in them must not control the terminal. */
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
  /** The service's name, on every line. */
  readonly service: string;
  readonly level: LogLevel;
  /**
   * `json`: one object a line, for machines. `pretty`: one coloured line, for a terminal. Undefined: pretty if the
   * stream is a terminal, else json.
   */
  readonly format?: LogFormat | undefined;
  /** Whether prompts may be in the log; otherwise errors that may quote one are written without their text. */
  readonly prompts?: boolean;
  /** Where the lines go; standard output by default. */
  readonly stream?: NodeJS.WritableStream;
}

let output: NodeJS.WritableStream | undefined;

/** One stream for all loggers of the process. */
function standardOutput(): NodeJS.WritableStream {
  output ??= byTurn(process.stdout);
  return output;
}

/** For values that JSON cannot write, such as a circular object. */
const safeLine = configure({ deterministic: false }) as (info: object) => string;

/** Like winston's json format, but much faster for nearly every line. */
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
  // Comes first, because winston formats a line, with the stacks of its errors, before it checks the level.
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
