import type { FleetAlerts } from '@comfy-fleet/client';

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
