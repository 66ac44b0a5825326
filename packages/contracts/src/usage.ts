import Type, { type Static } from 'typebox';
import { nullable } from './schema-parts.js';

const MAX_DAYS = 90;
const days = () =>
  Type.Optional(
    Type.Integer({ minimum: 1, maximum: MAX_DAYS, default: 30, description: 'Days (UTC), today included.' }),
  );

const counts = {
  /** Accepted that day; the other counts are of jobs that ended that day. */
  jobs: Type.Integer(),
  succeeded: Type.Integer(),
  failed: Type.Integer(),
  canceled: Type.Integer(),
  expired: Type.Integer(),
  pictures: Type.Integer(),
  /** For which GPUs worked on the jobs that ended. */
  gpu_seconds: Type.Number(),
};

/** The answer of `GET /usage` and `GET /usage/keys/:key`: one entry a day (UTC), today first. */
export const usageSchema = Type.Object({
  data: Type.Array(Type.Object({ day: Type.String({ format: 'date' }), ...counts })),
  /** What the limits of the key are held against. */
  now: Type.Object({
    gpu_seconds: Type.Number(),
    gpu_seconds_expected: Type.Number(),
    upload_bytes: Type.Integer(),
    storage_bytes: Type.Integer(),
    storage_share_bytes: nullable(Type.Integer()),
    jobs_waiting: Type.Integer(),
    jobs_running: Type.Integer(),
    /** Seconds until a day (UTC) begins. */
    resets_in_seconds: Type.Integer(),
  }),
});

/** A page of `GET /usage/keys`, in alphabetical order. */
export const keyUsageListSchema = Type.Object({
  days: Type.Array(Type.String({ format: 'date' }), { description: 'The days (UTC) that are counted, today first.' }),
  data: Type.Array(
    Type.Object({
      key: Type.String({ description: 'Its id. Keys that were revoked are among them.' }),
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
