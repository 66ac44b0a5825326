import Type, { type Static } from 'typebox';
import { SCOPES } from './api-keys.js';
import { nullable } from './schema-parts.js';

const most = (description: string) => nullable(Type.Integer({ description: `${description} Null: no limit.` }));

/** What a key may use, by the names that the keys file has. */
export const keyLimitsSchema = Type.Object({
  requests_per_minute: most('Requests in a minute.'),
  jobs_waiting: most('Jobs that wait for a worker.'),
  jobs_running: most('Jobs held by workers; more are accepted and wait.'),
  upload_bytes_per_day: most('Bytes of files that it sends in a day (UTC).'),
  max_gpu_seconds_per_day: most('GPU time in a day (UTC), with the expected time of its waiting jobs.'),
  max_gpu_seconds: most('Longest execution of one job.'),
  max_steps: most('Sampling steps of one job.'),
  max_size: most('Width and height of its pictures.'),
  max_count: most('Pictures of one job.'),
  max_pixels: most('Pixels that one job makes.'),
});

const keyFields = {
  rights: Type.Array(Type.Enum([...SCOPES]), {
    description: '`jobs`: its own jobs; `graphs`: graphs of its own; `admin`: the fleet, the workflows, the keys.',
  }),
  weight: Type.Number({ description: 'GPU time that it gets of what keys with waiting jobs share; 1 is everybody’s.' }),
  max_priority: nullable(Type.Integer({ description: 'A request for more gets this one. Null: no limit.' })),
  workflows: nullable(
    Type.Array(Type.String(), {
      description: 'The workflows that it may run; a `*` stands for any characters. Null: all.',
    }),
  ),
  limits: keyLimitsSchema,
};

/** Who asks, and what it may do, as `GET /me` answers. */
export const meSchema = Type.Object({
  key: nullable(Type.String({ description: 'The id of the API key; null where there are no keys.' })),
  ...keyFields,
});

/** A page of `GET /keys`, in alphabetical order. Nothing of the key itself, nor of what signs its webhooks. */
export const keyListSchema = Type.Object({
  data: Type.Array(
    Type.Object({
      key: Type.String({ description: 'Its id.' }),
      created_at: nullable(Type.String({ description: 'As the keys file has it.' })),
      ...keyFields,
    }),
  ),
  has_more: Type.Boolean(),
  next_cursor: nullable(Type.String()),
});

const page = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 100, description: 'Most keys per page.' })),
  cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: 'next_cursor of the previous page.' })),
};

/** Query of `GET /keys`. */
export const keyListQuerySchema = Type.Object(page, { additionalProperties: false });

export type KeyLimitsView = Static<typeof keyLimitsSchema>;
export type Me = Static<typeof meSchema>;
export type KeyList = Static<typeof keyListSchema>;
