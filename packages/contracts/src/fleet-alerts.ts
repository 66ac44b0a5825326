import Type, { type Static } from 'typebox';
import { named, time } from './schema-parts.js';

const label = () => Type.Optional(Type.String());

/** How urgent an alert is. `critical`: act at once; `warning`: look today. */
export const ALERT_SEVERITIES = ['critical', 'warning'] as const;

/** The subject of an alert. */
const subjectSchema = Type.Object({
  instance: label(),
  pool: label(),
  key: label(),
  lod: label(),
  code: label(),
});

const alertSchema = named('FleetAlert', {
  name: Type.String(),
  since: Type.String({
    format: 'date-time',
    description: 'When its condition began; it is reported after that has lasted for a while.',
  }),
  severity: Type.Enum([...ALERT_SEVERITIES]),
  summary: Type.String({ description: 'For people.' }),
  subject: subjectSchema,
  runbook: Type.String({ description: 'Path of the runbook entry that says what to do.' }),
});

/** The current alerts, as `GET /fleet/alerts` answers them. */
export const fleetAlertsSchema = named(
  'FleetAlerts',
  {
    judged_at: Type.Union([time(), Type.Null()], {
      description: 'When a dispatcher last evaluated the rules; null if none ever did.',
    }),
    alerts: Type.Array(alertSchema, { description: 'Critical ones first, then oldest first.' }),
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
