import Type, { type Static } from 'typebox';
import { time } from './schema-parts.js';

const label = () => Type.Optional(Type.String());

/** How much an alert hurries: critical, somebody gets up; warning, somebody looks today. */
export const ALERT_SEVERITIES = ['critical', 'warning'] as const;

/** What an alert is about. */
const subjectSchema = Type.Object({
  instance: label(),
  pool: label(),
  key: label(),
  lod: label(),
  code: label(),
});

const alertSchema = Type.Object({
  name: Type.String(),
  since: Type.String({ format: 'date-time', description: 'When it began; it was held back until it had lasted.' }),
  severity: Type.Enum([...ALERT_SEVERITIES]),
  summary: Type.String({ description: 'For people.' }),
  subject: subjectSchema,
  runbook: Type.String({ description: 'Address of the page that says what to do, below this one.' }),
});

/** What stands now, as `GET /fleet/alerts` answers it. */
export const fleetAlertsSchema = Type.Object(
  {
    judged_at: Type.Union([time(), Type.Null()], {
      description: 'When a dispatcher last looked; null when none ever did.',
    }),
    alerts: Type.Array(alertSchema, { description: 'Critical ones first, then the oldest first.' }),
  },
  {
    examples: [
      {
        judged_at: '2026-11-25T10:00:00.000Z',
        alerts: [
          {
            name: 'InstanceDown',
            since: '2026-11-25T09:41:15.000Z',
            severity: 'warning',
            summary: 'ComfyUI gpu-1/2 is down',
            subject: { instance: 'gpu-1/2' },
            runbook: '/docs/runbook.html#instancedown',
          },
        ],
      },
    ],
  },
);

export type FleetAlerts = Static<typeof fleetAlertsSchema>;
export type FleetAlert = Static<typeof alertSchema>;
export type AlertSubject = Static<typeof subjectSchema>;
export type AlertSeverity = (typeof ALERT_SEVERITIES)[number];
