import type { AlertSeverity, AlertSubject } from '@comfy-fleet/contracts';
import type { FleetFigures } from '../figures/figures.js';
import type { Sample } from '../history/sample.js';

/** What rules are judged by. */
export interface AlertFacts {
  readonly figures: FleetFigures;
  /** Of the last hour, the newest first; at least one. */
  readonly samples: readonly Sample[];
  /** Bytes free where pictures are stored; undefined: not known, or there is no such number. */
  readonly freeBytes: number | undefined;
  /** Replicas that must have a new job before it is acknowledged; 0: none. */
  readonly replicasWanted: number;
}

/** One condition, judged by the fleet with its own numbers (`of`), and by Prometheus with those it collects (`expr`). */
export interface AlertRule {
  readonly name: string;
  readonly severity: AlertSeverity;
  /** How long the condition must hold before the alert is active: whole minutes. */
  readonly holdSeconds: number;
  /** For people, with `{label}` for what the subject says. */
  readonly summary: string;
  /** What the condition is true of. */
  readonly of: (facts: AlertFacts) => readonly AlertSubject[];
  /** The same condition in PromQL. */
  readonly expr: string;
  /** More words for people, from a template of Prometheus, and with `{label}` as in the summary. */
  readonly description: string;
}

/** The subject of what is true of the fleet as a whole. */
export function whole(isTrue: boolean): AlertSubject[] {
  return isTrue ? [{}] : [];
}

export const MINUTE = 60;
export const HOUR = 3600;
export const DAY = 86_400;
