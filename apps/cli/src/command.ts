import type { Environment } from '@comfy-fleet/config';

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
