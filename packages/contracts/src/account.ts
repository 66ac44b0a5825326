import Type, { type Static } from 'typebox';
import { SCOPES } from './api-keys.js';
import { named, nullable } from './schema-parts.js';

const most = (description: string) => nullable(Type.Integer({ description: `${description} Null: no limit.` }));

/** The limits of a key, under their names in the keys file. */
export const keyLimitsSchema = named('KeyLimits', {
  requests_per_minute: most('Requests in a minute.'),
  jobs_waiting: most('Jobs that wait for a worker.'),
  jobs_running: most('Jobs held by workers; further jobs are accepted and wait.'),
  upload_bytes_per_day: most('Bytes of files that it sends in a day (UTC).'),
  max_gpu_seconds_per_day: most(
    'GPU time in a day (UTC), including the expected time of its open jobs. When it is used up, they wait for the next day.',
  ),
  max_gpu_seconds: most('Longest execution of one job.'),
  max_steps: most('Sampling steps of one job.'),
  max_size: most('Width and height of its pictures.'),
  max_count: most('Pictures of one job.'),
  max_pixels: most('Pixels that one job makes.'),
});

const keyFields = {
  rights: Type.Array(Type.Enum([...SCOPES]), {
    description:
      '`jobs`: its own jobs; `graphs`: its own graphs; `models`: its own models, by URL; `admin`: the fleet, the ' +
      'workflows and the keys.',
  }),
  weight: Type.Number({ description: 'Its share of GPU time relative to other keys with waiting jobs; 1 by default.' }),
  max_priority: nullable(
    Type.Integer({ description: 'The highest priority of its jobs; requests for more get this one. Null: no limit.' }),
  ),
  workflows: nullable(
    Type.Array(Type.String(), {
      description: 'The workflows that it may run; `*` stands for any characters. Null: all.',
    }),
  ),
  limits: keyLimitsSchema,
};

/** The calling key and its rights, as `GET /me` answers. */
export const meSchema = named('Me', {
  key: nullable(Type.String({ description: 'The id of the API key; null if there are no keys.' })),
  ...keyFields,
});

/** A page of `GET /keys`, in alphabetical order, without the keys themselves and their webhook secrets. */
export const keyListSchema = named('KeyList', {
  data: Type.Array(
    named('Key', {
      key: Type.String({ description: 'Its id.' }),
      created_at: nullable(Type.String({ description: 'From the keys file.' })),
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
