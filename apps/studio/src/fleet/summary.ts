import type { FleetAlerts, FleetStatus } from '@comfy-fleet/client';
import { type Instance, isUp } from './instances.js';

/** The fleet in a few numbers. */
export interface Summary {
  readonly waiting: number;
  readonly running: number;
  readonly up: number;
  readonly instances: number;
  /** Of the oldest job that waits; undefined: none does. */
  readonly oldestSeconds: number | undefined;
  /** Of work for the slowest pool; undefined: none, or nobody knows. */
  readonly backlogSeconds: number | undefined;
}

export function summaryOf({ pools, shares }: FleetStatus, instances: readonly Instance[]): Summary {
  const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
  const waits = shares.flatMap(({ oldest_wait_seconds: wait }) => (wait === null ? [] : [wait]));
  const backlogs = pools.flatMap(({ backlog_seconds: seconds }) => (seconds ? [seconds] : []));
  return {
    waiting: sum(pools.map(({ waiting }) => waiting)),
    running: sum(pools.map(({ running }) => running)),
    up: instances.filter(isUp).length,
    instances: instances.length,
    oldestSeconds: waits.length === 0 ? undefined : Math.max(...waits),
    backlogSeconds: backlogs.length === 0 ? undefined : Math.max(...backlogs),
  };
}

type Alert = FleetAlerts['alerts'][number];

/** Alerts of one rule, which differ only in what they are about. */
export interface AlertGroup {
  readonly first: Alert;
  /** How many more there are. */
  readonly others: number;
}

/** In the order of their first alerts: the API lists critical ones first, then the oldest. */
export function groupsOf(alerts: readonly Alert[]): readonly AlertGroup[] {
  const groups = new Map<string, AlertGroup>();
  for (const alert of alerts) {
    const { first = alert, others = -1 } = groups.get(alert.name) ?? {};
    groups.set(alert.name, { first, others: others + 1 });
  }
  return [...groups.values()];
}
