import Type, { type Static } from 'typebox';
import { MODEL_KINDS } from './models.js';
import { named, nullable, time } from './schema-parts.js';

/** Why a queued job waits, in order of precedence. */
export const WAIT_CODES = [
  'paused',
  'no_instance',
  'missing',
  'models',
  'memory',
  'storage',
  'running_limit',
  'storage_share',
  'gpu_limit',
  'retry',
  'turn',
] as const;
export type WaitCode = (typeof WAIT_CODES)[number];

/** What the instances lack. */
const missingSchema = Type.Object({
  /** Node class. */
  node: Type.String(),
  /** Null when the class itself is missing. */
  input: Type.Union([Type.String(), Type.Null()]),
  value: Type.Union([Type.String(), Type.Null()]),
});

/** A model that a host fetches for the job, or that one has to fetch. */
const awaitedModelSchema = Type.Object({
  kind: Type.Enum([...MODEL_KINDS]),
  name: Type.String(),
  bytes: nullable(Type.Integer(), 'Its size; null while it is unknown.'),
  fetched: Type.Integer({ description: 'How many bytes a host has.' }),
  eta_seconds: nullable(Type.Integer(), 'When the fetch is expected to end; null if it is not known.'),
});

/** What a job waits for while it is `queued`. */
export const waitingForSchema = named('WaitingFor', {
  code: Type.Enum([...WAIT_CODES], {
    description: [
      'The first reason that applies.',
      '`paused`: an operator has paused its pool or the fleet.',
      '`no_instance`: no ComfyUI of its pool is up and takes jobs.',
      '`missing`: no instance that is up has what it needs.',
      '`models`: no instance that is up has its models yet, but hosts can fetch them.',
      '`memory`: it ran out of memory twice and waits for another GPU with as much memory.',
      '`storage`: no worker can store files.',
      '`running_limit`: its API key has the most jobs that workers may hold for it.',
      '`storage_share`: the storage is full, and the API key uses its whole share.',
      '`gpu_limit`: the API key has used up its GPU time of today (UTC).',
      '`retry`: it is retried after a delay.',
      '`turn`: other jobs come first.',
    ].join(' '),
  }),
  detail: Type.String({ description: 'The reason in words.' }),
  missing: Type.Optional(
    Type.Array(missingSchema, {
      description: 'With `missing`: the node classes, models, samplers and other values that are missing.',
    }),
  ),
  models: Type.Optional(Type.Array(awaitedModelSchema, { description: 'With `models`: those that are missing.' })),
  after: Type.Optional(
    Type.String({
      description: 'With `retry`: the code of the error that caused it, if there was one.',
    }),
  ),
  retry_at: Type.Optional(time('With `retry`: the earliest time of the next try.')),
});

export type WaitingFor = Static<typeof waitingForSchema>;
