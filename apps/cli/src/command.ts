import type { Environment } from '@comfy-fleet/config';

/** What a command writes: results may be read by programs, the rest is for people. Each text is a line or more. */
export interface Output {
  result(text: string): void;
  say(text: string): void;
}

/** What a command is given besides its arguments. */
export interface Surroundings extends Output {
  /** Where the settings stand; the environment of this process unless told otherwise. */
  readonly env?: Environment;
  /** Takes the log. */
  readonly log: NodeJS.WritableStream;
}

export interface Command {
  /** Answers the exit code. Throws a UsageError for arguments that it does not take. */
  run(args: readonly string[], surroundings: Surroundings): Promise<number>;
}

/** The command was called wrongly; the message says how. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
