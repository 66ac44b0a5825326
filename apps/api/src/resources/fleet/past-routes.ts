import type { FleetAlerts } from '@comfy-fleet/contracts';
import {
  fleetAlertsSchema,
  fleetHistorySchema,
  fleetPastQuerySchema,
  fleetTimelineSchema,
} from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import type { ApiRoute } from '../../openapi/operation.js';
import type { Handler } from '../../server/messages.js';
import { RUNBOOK_PATH } from '../service/docs/runbook.js';
import { OPERATION } from './admin-routes.js';
import { fleetHistory, fleetTimeline } from './fleet-past.js';

/** The routes on which operators see the last hour of the fleet. */
export function fleetPastRoutes(deps: Deps): ApiRoute[] {
  return [
    {
      method: 'GET',
      path: '/fleet/timeline',
      access: 'admin',
      handler: fleetTimeline(deps),
      id: 'getFleetTimeline',
      tag: OPERATION,
      summary: 'What each instance executed within the last hour',
      description:
        'Each instance has at most 500 stretches, and all together 10,000: of many executions those in a row become one.',
      query: fleetPastQuerySchema,
      answers: { 200: { description: 'The timeline.', content: { 'application/json': fleetTimelineSchema } } },
      errors: ['queue_unavailable'],
    },
    {
      method: 'GET',
      path: '/fleet/history',
      access: 'admin',
      handler: fleetHistory(deps),
      id: 'getFleetHistory',
      tag: OPERATION,
      summary: 'Backlog, throughput and GPU time of the last hour',
      description: 'One of the dispatchers notes the numbers every 15 seconds.',
      query: fleetPastQuerySchema,
      answers: { 200: { description: 'The samples.', content: { 'application/json': fleetHistorySchema } } },
      errors: ['queue_unavailable'],
    },
    {
      method: 'GET',
      path: '/fleet/alerts',
      access: 'admin',
      handler: fleetAlerts(deps),
      id: 'getFleetAlerts',
      tag: OPERATION,
      summary: 'Alerts that are active now',
      description:
        'Named and judged as by the rules for Prometheus, of which the fleet knows most by itself. One of the dispatchers ' +
        'judges them every 15 seconds.',
      answers: { 200: { description: 'The alerts.', content: { 'application/json': fleetAlertsSchema } } },
      errors: ['queue_unavailable'],
    },
  ];
}

/** Which alerts stand, each with the page that says what to do. */
function fleetAlerts({ ledger, config }: Pick<Deps, 'ledger' | 'config'>): Handler {
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
