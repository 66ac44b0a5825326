import type { Environment } from '@comfy-fleet/config';
import type { Command } from 'commander';

/** What a command writes: results may be read by programs, the rest is for people. Each text is a line or more. */
export interface Output {
  result(text: string): void;
  say(text: string): void;
}

/** A terminal in front of a person. */
export type Terminal = NodeJS.WritableStream & {
  readonly columns?: number;
  readonly rows?: number;
  hasColors?(): boolean;
};
/** Its keyboard. */
export type Keyboard = NodeJS.ReadableStream & { setRawMode(isRaw: boolean): unknown };

/** What a command is given besides its arguments. */
export interface Surroundings extends Output {
  /** Where the settings stand; the environment of this process unless told otherwise. */
  readonly env?: Environment;
  /** Takes the log. */
  readonly log: NodeJS.WritableStream;
  /** Where results go, if it is a terminal; undefined: a program reads them. */
  readonly terminal?: Terminal;
  /** Undefined: nobody sits there. */
  readonly keyboard?: Keyboard;
  /** From its first call on, Ctrl-C aborts this signal in place of ending the process. */
  interrupted(): AbortSignal;
}

/** The command was called wrongly; the message says how. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Something stands in the way that a person can fix; the message says how, in a sentence or two. */
export class Obstacle extends Error {
  override readonly name = 'Obstacle';
  /** The exit code: see EXIT. */
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** What the commands of a program are given: where they run, and where their exit code goes. */
export interface Context {
  readonly surroundings: Surroundings;
  exit(code: number): void;
}

/** A command does `work` with its arguments, options last, and ends with the exit code that it resolves to. */
export function act<Given extends unknown[]>(
  command: Command,
  { surroundings, exit }: Context,
  work: (surroundings: Surroundings, ...given: Given) => Promise<number>,
): void {
  command.action(async (...given: unknown[]) => exit(await work(surroundings, ...(given.slice(0, -1) as Given))));
}

/** `, did you mean "steps"? There is steps, cfg.` or `. There is steps, cfg.`: the end of a sentence on a name that is none of `known`. */
export async function butThereIs(written: string, known: readonly string[]): Promise<string> {
  const { suggest } = await import('@comfy-fleet/workflows'); // only now: it takes a moment to load
  return `${suggest(written, known) || '.'} There is ${known.join(', ') || 'none'}.`;
}
