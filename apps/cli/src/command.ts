import type { Environment } from '@comfy-fleet/config';

/** What a command is given besides its arguments. */
export interface Surroundings {
  /** Where the settings stand; the environment of this process unless told otherwise. */
  readonly env?: Environment;
  /** Takes the log. */
  readonly log: NodeJS.WritableStream;
  /** Writes what was asked for. */
  result(text: string): void;
  /** Writes to the person at the terminal. */
  say(text: string): void;
}

export interface Command {
  /** A line for the list of commands. */
  readonly summary: string;
  /** Answers the exit code. Throws a UsageError for arguments that it does not take. */
  run(args: readonly string[], surroundings: Surroundings): Promise<number>;
}

/** The command was called wrongly; the message says how. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
