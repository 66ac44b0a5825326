import Type, { type Static } from 'typebox';
import { named, nullable } from './schema-parts.js';

const MAX_DAYS = 90;
const days = () =>
  Type.Optional(
    Type.Integer({ minimum: 1, maximum: MAX_DAYS, default: 30, description: 'Days (UTC), today included.' }),
  );

const counts = {
  jobs: Type.Integer({ description: 'Jobs accepted in this time. The other numbers count jobs that ended in it.' }),
  succeeded: Type.Integer({ description: 'Jobs that succeeded.' }),
  failed: Type.Integer({ description: 'Jobs that failed.' }),
  canceled: Type.Integer({ description: 'Jobs that were canceled.' }),
  expired: Type.Integer({ description: 'Jobs that expired.' }),
  pictures: Type.Integer({ description: 'Pictures made by these jobs.' }),
  gpu_seconds: Type.Number({ description: 'GPU time of these jobs.' }),
};

/** The answer of `GET /usage` and `GET /usage/keys/:key`: one entry a day (UTC), today first. */
export const usageSchema = named('Usage', {
  data: Type.Array(named('UsageDay', { day: Type.String({ format: 'date', description: 'UTC.' }), ...counts })),
  /** The current values of what the key's limits bound. */
  now: named('UsageNow', {
    gpu_seconds: Type.Number({ description: 'GPU time of jobs that ended today (UTC).' }),
    gpu_seconds_expected: Type.Number({
      description:
        'GPU time that the open jobs are expected to take: each as much as a job of the key took in the last week. It counts ' +
        'towards the daily limit.',
    }),
    upload_bytes: Type.Integer({ description: 'Bytes uploaded today (UTC).' }),
    storage_bytes: Type.Integer({
      description: 'Size of all files of the key: outputs of its jobs, and uploads. Each counts for at least 16 KiB.',
    }),
    storage_share_bytes: nullable(
      Type.Integer(),
      'The share of the storage that the key is entitled to; null until the housekeeping has computed it. A key may use ' +
        'more while others use less.',
    ),
    jobs_waiting: Type.Integer({ description: 'Jobs that wait for a worker.' }),
    jobs_running: Type.Integer({ description: 'Jobs held by workers.' }),
    resets_in_seconds: Type.Integer({ description: 'Seconds until the daily limits start again.' }),
  }),
});

/** A page of `GET /usage/keys`, in alphabetical order. */
export const keyUsageListSchema = named('KeyUsageList', {
  days: Type.Array(Type.String({ format: 'date' }), { description: 'The counted days (UTC), today first.' }),
  data: Type.Array(
    named('KeyUsage', {
      key: Type.String({ description: 'Its id. Revoked keys are included.' }),
      ...counts,
      gpu_seconds_by_day: Type.Array(Type.Number(), { description: 'In the order of `days`.' }),
    }),
  ),
  has_more: Type.Boolean(),
  next_cursor: nullable(Type.String()),
});

/** Query of `GET /usage` and `GET /usage/keys/:key`. */
export const usageQuerySchema = Type.Object({ days: days() }, { additionalProperties: false });

/** Query of `GET /usage/keys`. */
export const keyUsageQuerySchema = Type.Object(
  {
    days: days(),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 100, description: 'Most keys per page.' })),
    cursor: Type.Optional(
      Type.String({ minLength: 1, maxLength: 64, description: 'next_cursor of the previous page.' }),
    ),
  },
  { additionalProperties: false },
);

export type Usage = Static<typeof usageSchema>;
export type KeyUsageList = Static<typeof keyUsageListSchema>;
