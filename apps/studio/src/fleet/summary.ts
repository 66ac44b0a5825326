import type { FleetAlerts, FleetStatus } from '@comfy-fleet/client';
import { type Instance, isUp } from './instances.js';

/** Key figures of the fleet. */
export interface Summary {
  readonly waiting: number;
  readonly running: number;
  readonly up: number;
  readonly instances: number;
  /** How long the oldest waiting job has waited; undefined if none waits. */
  readonly oldestSeconds: number | undefined;
  /** Queued work of the pool with the most; undefined if there is none or it is unknown. */
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

/** Alerts of one rule, which differ only in their subject. */
export interface AlertGroup {
  readonly first: Alert;
  /** How many more there are. */
  readonly others: number;
}

/** Groups alerts by rule and keeps the API's order: critical first, then oldest. */
export function groupsOf(alerts: readonly Alert[]): readonly AlertGroup[] {
  const groups = new Map<string, AlertGroup>();
  for (const alert of alerts) {
    const { first = alert, others = -1 } = groups.get(alert.name) ?? {};
    groups.set(alert.name, { first, others: others + 1 });
  }
  return [...groups.values()];
}
