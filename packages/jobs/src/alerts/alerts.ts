import type { AlertSeverity, AlertSubject } from '@comfy-fleet/contracts';
import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { INSTANCE_RULES } from './instance-rules.js';
import { type AlertFacts, type AlertRule, MINUTE } from './rule.js';
import { SERVICE_RULES } from './service-rules.js';
import { WAITING_RULES } from './waiting-rules.js';

/**
 * The alerts that the fleet judges itself. `npm run docs:alerts` writes them for Prometheus. Alerts that need numbers
 * which only Prometheus collects are in infra/prometheus/rules/prometheus-alerts.yml.
 */
export const ALERT_RULES: readonly AlertRule[] = [...WAITING_RULES, ...INSTANCE_RULES, ...SERVICE_RULES];

/** Dispatchers cannot judge this. Who reads the alerts does, and Prometheus by a rule of its own. */
const DISPATCHER_ABSENT = {
  name: 'DispatcherAbsent',
  severity: 'critical',
  holdSeconds: 5 * MINUTE,
  summary: 'No dispatcher is at work',
} as const;

/**
 * A subject for which a rule's condition holds, and since when (ms since 1970). The reader decides whether it has held
 * for long enough.
 */
interface FoundAlert {
  readonly name: string;
  readonly subject: AlertSubject;
  readonly since: number;
}

/** The result of judging the rules. */
export interface Judgement {
  /** ms since 1970, by Redis' clock. */
  readonly at: number;
  readonly found: readonly FoundAlert[];
}

export interface ActiveAlert extends FoundAlert {
  readonly severity: AlertSeverity;
  readonly summary: string;
}

export interface Alerts {
  /** When the rules were last judged, in ms since 1970; undefined if never. */
  readonly judgedAt: number | undefined;
  /** All conditions that hold, no matter for how long. */
  readonly found: readonly FoundAlert[];
  /** Those that have held for long enough. Critical ones first, then the oldest first. */
  readonly active: readonly ActiveAlert[];
}

/** Beyond this number, alerts have the same cause. */
const MOST_FOUND = 1000;

/** Judges all rules. A condition that held before keeps its time. */
export function judge(facts: AlertFacts, before: Judgement | undefined, at: number): Judgement {
  const since = new Map(before?.found.map((one) => [nameOf(one), one.since]));
  const found = ALERT_RULES.flatMap(({ name, findSubjects: of }) =>
    of(facts).map((subject) => ({ name, subject, since: since.get(nameOf({ name, subject })) ?? at })),
  );
  return { at, found: found.slice(0, MOST_FOUND) };
}

export async function readJudgement(redis: Redis, keys: Keys): Promise<Judgement | undefined> {
  const text = await redis.get(keys.alerts);
  return text === null ? undefined : (JSON.parse(text) as Judgement);
}

export async function storeJudgement(redis: Redis, keys: Keys, judgement: Judgement): Promise<void> {
  await redis.set(keys.alerts, JSON.stringify(judgement));
}

export async function readAlerts(redis: Redis, keys: Keys): Promise<Alerts> {
  const [now, judgement] = await Promise.all([redisTime(redis), readJudgement(redis, keys)]);
  if (judgement === undefined) return { judgedAt: undefined, found: [], active: [] };
  const { at, found } = judgement;
  return { judgedAt: at, found: [...found, ...absentAt(at, now)], active: activeAt(judgement, now) };
}

const RULES = new Map([...ALERT_RULES, DISPATCHER_ABSENT].map((one) => [one.name, one]));
const SEVERITIES: readonly AlertSeverity[] = ['critical', 'warning'];

/**
 * The alerts whose condition has held for long enough, and DispatcherAbsent if the rules have not been judged lately.
 */
export function activeAt({ at, found }: Judgement, now: number): ActiveAlert[] {
  const lasted = [...found.filter(({ name, since }) => at - since >= holdMs(RULES.get(name))), ...absentAt(at, now)];
  return lasted
    .flatMap((one) => {
      const known = RULES.get(one.name);
      if (known === undefined) return []; // written by a dispatcher of another version
      return [{ ...one, severity: known.severity, summary: filled(known.summary, one.subject) }];
    })
    .sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) || a.since - b.since);
}

function absentAt(judgedAt: number, now: number): FoundAlert[] {
  const isAbsent = now - judgedAt >= holdMs(DISPATCHER_ABSENT);
  return isAbsent ? [{ name: DISPATCHER_ABSENT.name, subject: {}, since: judgedAt }] : [];
}

function holdMs(known: Pick<AlertRule, 'holdSeconds'> | undefined): number {
  return (known?.holdSeconds ?? 0) * 1000;
}

function filled(summary: string, subject: AlertSubject): string {
  const labels: Readonly<Record<string, string | undefined>> = subject;
  return summary.replace(/\{(\w+)\}/g, (_, label: string) => labels[label] ?? '');
}

function nameOf({ name, subject }: Pick<FoundAlert, 'name' | 'subject'>): string {
  return JSON.stringify([name, Object.entries(subject).sort(([a], [b]) => (a < b ? -1 : 1))]);
}
