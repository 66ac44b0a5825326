import type { JudgedBreach } from './checks/judge.js';
import type { Ground } from './trial.js';

/** What one phase of `bench:fleet` has shown. */
export interface PhaseReport {
  /** As they are printed. */
  readonly tables: readonly string[];
  readonly breaches: readonly JudgedBreach[];
}

export interface PhaseOptions extends Ground {
  readonly seed: number;
  /** Takes one line of what is going on. */
  readonly say: (line: string) => void;
}
