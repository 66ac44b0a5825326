import Type, { type Static } from 'typebox';
import { LODS } from './parameters.js';
import { named, nullable, time } from './schema-parts.js';

/** How far back the history of the fleet goes. */
export const MOST_HISTORY_MINUTES = 60;

/** The query of `GET /fleet/timeline` and `GET /fleet/history`. */
export const fleetHistoryQuerySchema = Type.Object(
  {
    minutes: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MOST_HISTORY_MINUTES,
        default: MOST_HISTORY_MINUTES,
        description: 'How many minutes back.',
      }),
    ),
  },
  { additionalProperties: false },
);

/** How an execution ended. For several executions, the first of these that one of them has. */
export const EXECUTION_OUTCOMES = ['running', 'failed', 'stopped', 'canceled', 'completed', 'encoded'] as const;
export type ExecutionOutcome = (typeof EXECUTION_OUTCOMES)[number];

const spanSchema = named('TimelineStretch', {
  from: time(),
  to: time(),
  jobs: Type.Integer({
    description: 'How many executions it includes; more than 1 if there are more than fit on a screen.',
  }),
  job_id: nullable(Type.String({ description: 'Null when there are several.' })),
  workflow: nullable(Type.String({ description: 'Null when there are several.' })),
  lod: nullable(Type.Enum([...LODS], { description: 'Null when there are several.' })),
  key: nullable(Type.String({ description: 'The id of the API key. Null when there are several.' })),
  outcome: Type.Enum([...EXECUTION_OUTCOMES], {
    description:
      '`stopped`: it did not end there, and its job was retried. `encoded`: it encoded the texts of several jobs before the prompt of this one. For several executions, the first of these words that applies to one.',
  }),
  loading_seconds: Type.Number({
    description: 'How much of this time went into loading models, as far as that was observed; 0 while it runs.',
  }),
});

/** What each instance executed and when, as `GET /fleet/timeline` answers it. */
export const fleetTimelineSchema = named(
  'FleetTimeline',
  {
    from: time(),
    to: time(),
    instances: Type.Array(
      named('InstanceTimeline', {
        instance: Type.String({
          description:
            '`<worker>/<n>`. An instance that is gone is listed as long as it executed something in this time.',
        }),
        stretches: Type.Array(spanSchema, {
          description: 'Oldest first, without overlaps. Between them the instance executed nothing.',
        }),
        cut: Type.Boolean({
          description: 'The beginning of the time is missing, because only 720 executions are kept.',
        }),
      }),
      { description: 'By name.' },
    ),
  },
  {
    examples: [
      {
        from: '2026-11-25T09:00:00.000Z',
        to: '2026-11-25T10:00:00.000Z',
        instances: [
          {
            instance: 'gpu-1/1',
            stretches: [
              {
                from: '2026-11-25T09:58:10.250Z',
                to: '2026-11-25T09:58:22.750Z',
                jobs: 1,
                job_id: '01a21244-7dd0-761c-8b5e-8c1a619a8ac6',
                workflow: 'text2img',
                lod: 'mid',
                key: 'anna',
                outcome: 'completed',
                loading_seconds: 4.2,
              },
            ],
            cut: false,
          },
        ],
      },
    ],
  },
);

const sampleSchema = named('FleetSample', {
  at: time(),
  waiting: Type.Integer({ description: 'Jobs that have not begun.' }),
  running: Type.Integer(),
  completed: Type.Integer({
    description: 'Jobs that ended since the previous sample; the same holds for `failed` and `canceled`.',
  }),
  failed: Type.Integer(),
  canceled: Type.Integer(),
  instances_up: Type.Integer({ description: 'Instances that get work.' }),
  gpu_seconds: Type.Unsafe<Record<string, number>>({
    type: 'object',
    additionalProperties: { type: 'number' },
    description:
      'GPU seconds per step by API key, averaged over the minute before. The eight largest; the rest is `other`.',
  }),
});

/** The recent numbers of the fleet, as `GET /fleet/history` answers them. */
export const fleetHistorySchema = named(
  'FleetHistory',
  {
    step_seconds: Type.Number({ description: 'Seconds between samples; more when no dispatcher ran.' }),
    samples: Type.Array(sampleSchema, { description: 'Oldest first.' }),
  },
  {
    examples: [
      {
        step_seconds: 15,
        samples: [
          {
            at: '2026-11-25T10:00:00.000Z',
            waiting: 12,
            running: 4,
            completed: 3,
            failed: 0,
            canceled: 0,
            instances_up: 4,
            gpu_seconds: { anna: 41.5, bert: 12, other: 3.2 },
          },
        ],
      },
    ],
  },
);

export type FleetTimeline = Static<typeof fleetTimelineSchema>;
export type TimelineStretch = Static<typeof spanSchema>;
export type FleetHistory = Static<typeof fleetHistorySchema>;
