import type { Scope } from '../lib/scope.js';

/** A promise that was broken. */
export interface Broken {
  readonly check: string;
  readonly what: string;
  /** What helps to see why, line by line. */
  readonly story?: readonly string[];
}

/** What one phase has shown. */
export interface PhaseReport {
  /** As they are printed. */
  readonly tables: readonly string[];
  readonly broken: readonly Broken[];
}

export interface PhaseOptions {
  readonly seed: number;
  /** Everything that is written goes under it. */
  readonly dir: string;
  /** Ends what the phase starts. */
  readonly scope: Scope;
  /** Takes one line of what is going on. */
  readonly say: (line: string) => void;
}
