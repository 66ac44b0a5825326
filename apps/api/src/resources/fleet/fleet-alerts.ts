import type { FleetAlerts } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import type { Handler } from '../../server/messages.js';
import { RUNBOOK_PATH } from '../service/docs/runbook.js';

/** Which alerts stand, each with the page that says what to do. */
export function fleetAlerts({ ledger, config }: Pick<Deps, 'ledger' | 'config'>): Handler {
  const runbook = `${config.http.publicUrl ?? ''}${RUNBOOK_PATH}`;
  return async () => {
    const { judgedAt, standing } = await ledger.fleet.alerts();
    const body: FleetAlerts = {
      judged_at: judgedAt === undefined ? null : new Date(judgedAt).toISOString(),
      alerts: standing.map(({ name, since, severity, summary, subject }) => ({
        name,
        since: new Date(since).toISOString(),
        severity,
        summary,
        subject: { ...subject },
        runbook: `${runbook}#${name.toLowerCase()}`,
      })),
    };
    return { status: 200, body };
  };
}
