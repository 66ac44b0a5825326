import type { AlertSeverity, AlertSubject, Lod, TerminalStatus } from '@comfy-fleet/contracts';
import type { FleetFigures } from '../figures/figures.js';
import { endedBetween, type Sample } from '../history/history.js';

/** The facts by which rules are judged. */
export interface AlertFacts {
  readonly figures: FleetFigures;
  /** Samples of the last hour, the newest first; at least one. */
  readonly samples: readonly Sample[];
  /** Free bytes where pictures are stored; undefined if unknown or not applicable. */
  readonly freeBytes: number | undefined;
  /** How many replicas must have a new job before it is acknowledged. */
  readonly replicasWanted: number;
}

/** A condition that the dispatchers judge. Prometheus reads their verdicts. */
export interface AlertRule {
  readonly name: string;
  readonly severity: AlertSeverity;
  /** How long the condition must hold before the alert is active: whole minutes. */
  readonly holdSeconds: number;
  /** A sentence for people, in which `{label}` stands for a value of the subject. */
  readonly summary: string;
  /** The subjects for which the condition holds. */
  readonly findSubjects: (facts: AlertFacts) => readonly AlertSubject[];
  /** More details for people, with `{label}` as in the summary. */
  readonly description: string;
}

/** The subject of a condition of the whole fleet. */
export function whole(isTrue: boolean): AlertSubject[] {
  return isTrue ? [{}] : [];
}

export const MINUTE = 60;
export const HOUR = 3600;
export const DAY = 86_400;

/**
 * How many jobs of a level of detail ended with this status within so many seconds before the newest sample, as far as
 * there are samples.
 */
export function endedWithin(samples: readonly Sample[], seconds: number, status: TerminalStatus, lod: Lod): number {
  const [newest] = samples;
  if (newest === undefined) return 0;
  const oldest = samples.findLast(({ at }) => at >= newest.at - seconds * 1000) ?? newest;
  return endedBetween(oldest, newest, status, [lod]);
}
