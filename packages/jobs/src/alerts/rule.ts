import type { AlertSeverity, AlertSubject } from '@comfy-fleet/contracts';
import type { FleetFigures } from '../keeping/figures.js';
import type { Sample } from '../past/sample.js';

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

/** A rule of infra/prometheus/rules/alerts.yml, judged by the fleet's own numbers. */
export interface AlertRule {
  readonly name: string;
  readonly severity: AlertSeverity;
  /** How long it has to be true before the alert stands. */
  readonly holdSeconds: number;
  /** What it compares with, in the order of the expression in alerts.yml. */
  readonly limits: readonly number[];
  /** For people, with `{label}` for what the subject says. */
  readonly summary: string;
  /** What it is true of. */
  readonly of: (facts: AlertFacts) => readonly AlertSubject[];
}

interface RuleParts<L extends readonly number[]> extends Omit<AlertRule, 'limits' | 'of' | 'holdSeconds'> {
  readonly holdSeconds?: number;
  readonly limits?: L;
  readonly of: (facts: AlertFacts, limits: L) => readonly AlertSubject[];
}

export function rule<const L extends readonly number[] = []>(parts: RuleParts<L>): AlertRule {
  const { holdSeconds = 0, limits = [] as unknown as L, of } = parts;
  return { ...parts, holdSeconds, limits, of: (facts) => of(facts, limits) };
}

/** The subject of what is true of the fleet as a whole. */
export function whole(isTrue: boolean): AlertSubject[] {
  return isTrue ? [{}] : [];
}

export const MINUTE = 60;
export const HOUR = 3600;
export const DAY = 86_400;
