import { configure } from 'safe-stable-stringify';
import winston from 'winston';
import { byTurn } from './by-turn.js';
import { plainFields } from './plain-fields.js';
import { prettyLine } from './pretty-line.js';
import { traceIds } from './tracing-spans.js';

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
