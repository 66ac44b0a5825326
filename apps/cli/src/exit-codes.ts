import { FleetError, FleetUnreachableError, type Job, JobEndedError } from '@comfy-fleet/client';
import { ConfigError } from '@comfy-fleet/config';
import { CommandError, UsageError } from './command.js';
import { plain } from './text.js';

/** Scripts rely on these; docs/cli.md lists them. */
export const EXIT = {
  done: 0,
  /** Any other error, such as a file that cannot be written. */
  fault: 1,
  misused: 2,
  /** The API would refuse the same request again. */
  refused: 3,
  /** The API did not answer, or asked us to retry later. */
  unavailable: 4,
  /** A job failed or expired. */
  failed: 5,
  canceled: 6,
  /** Ctrl-C. */
  interrupted: 130,
} as const;

/** Statuses with which the API is overloaded or temporarily unavailable. */
const TRANSIENT: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** The command was interrupted; the message says what continues to run. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Request fields that commands take as arguments rather than options. */
const ARGUMENTS: ReadonlySet<string> = new Set(['prompt', 'image']);

export interface Failure {
  /** One or more sentences. */
  readonly text: string;
  readonly code: number;
}

/** The message and exit code for an error. Rethrows an error that is a bug of ours. */
export function explain(error: unknown): Failure {
  if (error instanceof UsageError) return { text: error.message, code: EXIT.misused };
  if (error instanceof CommandError) return { text: error.message, code: error.exitCode };
  if (error instanceof ConfigError) return { text: error.message, code: EXIT.fault };
  if (error instanceof Interrupted) return { text: error.message, code: EXIT.interrupted };
  if (error instanceof JobEndedError)
    return { text: `${error.job.id}: ${plain(error.message)}`, code: codeOf(error.job) };
  if (error instanceof FleetUnreachableError) {
    return { text: `${error.message}. Name the API with --url, COMFY_FLEET_URL or a profile.`, code: EXIT.unavailable };
  }
  if (error instanceof FleetError) {
    const unmentioned = error.errors.filter(({ detail }) => !error.message.includes(detail));
    const fields = unmentioned.map(({ pointer, detail }) => `\n  ${plain(`${optionName(pointer)}: ${detail}`)}`);
    const message = error.errors.reduce(
      (text, { pointer, detail }) => text.replace(`${pointer} ${detail}`, () => `${optionName(pointer)} ${detail}`),
      error.message,
    );
    return { text: `${plain(message)}${fields.join('')}${advice(error)}`, code: codeOfStatus(error.status) };
  }
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (code !== undefined && syscall !== undefined) return { text: message, code: EXIT.fault };
  throw error;
}

/** The exit code for a job that has ended. */
export function codeOf({ status }: Pick<Job, 'status'>): number {
  if (status === 'succeeded') return EXIT.done;
  return status === 'canceled' ? EXIT.canceled : EXIT.failed;
}

/** The exit code for an HTTP error status. */
export function codeOfStatus(status: number): number {
  return TRANSIENT.has(status) ? EXIT.unavailable : EXIT.refused;
}

/** A request field as the command line names it: `--negative-prompt`, `--input style`. */
function optionName(pointer: string): string {
  const [name = '', ...below] = pointer.split('/').slice(1);
  if (ARGUMENTS.has(name)) return `the ${name}`;
  if (name === 'inputs' && below.length > 0) return `--input ${below.join('/')}`;
  return name === '' ? pointer : [`--${name.replaceAll('_', '-')}`, ...below].join(' ');
}

function advice({ status, retryAfterSeconds }: FleetError): string {
  if (status === 401) return '\nGive a key with --key, COMFY_FLEET_KEY or a profile.';
  return retryAfterSeconds === undefined ? '' : `\nTry again in ${retryAfterSeconds} s.`;
}
