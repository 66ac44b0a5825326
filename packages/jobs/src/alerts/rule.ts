import type { AlertSeverity, AlertSubject, Lod, TerminalStatus } from '@comfy-fleet/contracts';
import type { FleetFigures } from '../figures/figures.js';
import { endedBetween, type Sample } from '../history/history.js';

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

/**
 * One condition, judged by the fleet with its own numbers (`of`), and by Prometheus with those it collects (`expr`).
 */
export interface AlertRule {
  readonly name: string;
  readonly severity: AlertSeverity;
  /** How long the condition must hold before the alert is active: whole minutes. */
  readonly holdSeconds: number;
  /** For people, with `{label}` for what the subject says. */
  readonly summary: string;
  /** What the condition is true of. */
  readonly findSubjects: (facts: AlertFacts) => readonly AlertSubject[];
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

/**
 * How many jobs of a level of detail ended like this within so many seconds of the newest sample, as far as samples go.
 */
export function endedWithin(samples: readonly Sample[], seconds: number, status: TerminalStatus, lod: Lod): number {
  const [newest] = samples;
  if (newest === undefined) return 0;
  const oldest = samples.findLast(({ at }) => at >= newest.at - seconds * 1000) ?? newest;
  return endedBetween(oldest, newest, status, [lod]);
}
