import type { Environment } from '@comfy-fleet/config';

/** What a command writes: results may be read by programs, the rest is for people. Each text is a line or more. */
export interface Output {
  result(text: string): void;
  say(text: string): void;
}

/** A terminal in front of a person. */
export type Terminal = NodeJS.WritableStream & { readonly columns?: number; readonly rows?: number };

/** What a command is given besides its arguments. */
export interface Surroundings extends Output {
  /** Where the settings stand; the environment of this process unless told otherwise. */
  readonly env?: Environment;
  /** Takes the log. */
  readonly log: NodeJS.WritableStream;
  /** Where results go, if it is a terminal; undefined: a program reads them. */
  readonly terminal?: Terminal;
  /** From its first call on, Ctrl-C aborts this signal in place of ending the process. */
  interrupted(): AbortSignal;
}

export interface Command {
  /** Answers the exit code. Throws a UsageError for arguments that it does not take. */
  run(args: readonly string[], surroundings: Surroundings): Promise<number>;
}

/** The command was called wrongly; the message says how. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
