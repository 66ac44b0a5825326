import Type, { type Static } from 'typebox';
import { time } from './schema-parts.js';

/** For what a queued job waits; where several apply, the first of them is said. */
export const WAIT_CODES = [
  'paused',
  'no_instance',
  'missing',
  'memory',
  'storage',
  'running_limit',
  'storage_share',
  'retry',
  'turn',
] as const;
export type WaitCode = (typeof WAIT_CODES)[number];

/** What an instance would have to have. */
const missingSchema = Type.Object({
  /** Node class. */
  node: Type.String(),
  /** Null when the class itself is missing. */
  input: Type.Union([Type.String(), Type.Null()]),
  value: Type.Union([Type.String(), Type.Null()]),
});

/** What a job waits for while it is `queued`. */
export const waitingForSchema = Type.Object({
  code: Type.Enum([...WAIT_CODES], {
    description: [
      'The first reason that applies.',
      '`paused`: an operator has paused its pool or the fleet.',
      '`no_instance`: no ComfyUI of its pool is up and takes jobs.',
      '`missing`: no instance that is up has what it needs.',
      '`memory`: it ran out of memory twice and waits for another GPU with as much memory.',
      '`storage`: no worker can store files.',
      '`running_limit`: its API key has as many jobs in work as it may have.',
      '`storage_share`: the storage is full, and the files of its API key fill the share of the key.',
      '`retry`: it is tried again after a delay.',
      '`turn`: other jobs come first.',
    ].join(' '),
  }),
  detail: Type.String({ description: 'The reason in words.' }),
  missing: Type.Optional(
    Type.Array(missingSchema, {
      description: 'With `missing`: the node classes, models, samplers and other values that are missing.',
    }),
  ),
  after: Type.Optional(
    Type.String({
      description: 'With `retry`: the code of the error after which it is tried again, if there was one.',
    }),
  ),
  retry_at: Type.Optional(time('With `retry`: the earliest time of the next try.')),
});

export type WaitingFor = Static<typeof waitingForSchema>;
