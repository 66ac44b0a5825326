import type { Environment } from '@comfy-fleet/config';
import type { Command } from 'commander';

/** Where a command writes: programs may read its results; all other text is for people. Each text is one or more lines. */
export interface Output {
  result(text: string): void;
  info(text: string): void;
}

/** An interactive terminal. */
export type Terminal = NodeJS.WritableStream & {
  readonly columns?: number;
  readonly rows?: number;
  hasColors?(): boolean;
};
/** Its keyboard. */
export type Keyboard = NodeJS.ReadableStream & { setRawMode(isRaw: boolean): unknown };

export interface StartOptions {
  /** The folder of jobs and pictures. */
  readonly data?: string;
}

/** The settings, streams and signal that a command works with, besides its arguments. */
export interface CommandIo extends Output {
  /** The environment to read settings from; default: that of this process. */
  readonly env?: Environment;
  /** Receives the log. */
  readonly log: NodeJS.WritableStream;
  /** Set if results go to a terminal; undefined if a program reads them. */
  readonly terminal?: Terminal;
  /** Undefined if stdin is not a terminal. */
  readonly keyboard?: Keyboard;
  /** Starts everything on this machine until Ctrl-C, and resolves to the exit code; undefined if that is not installed. */
  start?(options: StartOptions): Promise<number>;
  /** From the first call on, Ctrl-C aborts this signal instead of ending the process. */
  interrupted(): AbortSignal;
}

/** The command was called wrongly; the message says how. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A failure that the user can fix; the message says how, in a sentence or two. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  /** The exit code: see EXIT. */
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** What all commands of the program share. `exit` sets the exit code of the process. */
export interface Context {
  readonly io: CommandIo;
  exit(code: number): void;
}

/** Has the command run `work` with its arguments, options last, and exit with the code that `work` resolves to. */
export function setAction<Given extends unknown[]>(
  command: Command,
  { io, exit }: Context,
  work: (io: CommandIo, ...given: Given) => Promise<number>,
): void {
  command.action(async (...given: unknown[]) => exit(await work(io, ...(given.slice(0, -1) as Given))));
}

/** Ends a sentence about a name that is not in `known`: `, did you mean "steps"? Available: steps, cfg.` or `. Available: steps, cfg.` */
export async function suggestNames(written: string, known: readonly string[]): Promise<string> {
  const { suggest } = await import('@comfy-fleet/workflows'); // only now: it takes a moment to load
  return `${suggest(written, known) || '.'} Available: ${known.join(', ') || 'none'}.`;
}
