import type { FleetAlerts } from '@comfy-fleet/client';
import { since } from '../words.js';

/** There is no room for more. */
const MOST = 6;

export function WallAlerts({ alerts, now }: { readonly alerts: FleetAlerts['alerts']; readonly now: number }) {
  return (
    <section className="wall-alerts" aria-label="Alerts">
      {alerts.length === 0 && <p className="all-well">No alerts</p>}
      <ul>
        {alerts.slice(0, MOST).map(({ name, severity, summary, since: began, subject }) => (
          <li key={[name, ...Object.values(subject)].join(' ')} className="wall-alert" data-severity={severity}>
            {severity === 'critical' && <span className="severity">critical</span>} {summary}{' '}
            <span className="wall-since">for {since(began, now)}</span>
          </li>
        ))}
      </ul>
      {alerts.length > MOST && <p>and {alerts.length - MOST} more</p>}
    </section>
  );
}
