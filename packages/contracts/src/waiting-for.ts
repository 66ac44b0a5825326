import Type, { type Static } from 'typebox';

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
  code: Type.Enum([...WAIT_CODES]),
  /** For people. */
  detail: Type.String(),
  /** Of `missing`. */
  missing: Type.Optional(Type.Array(missingSchema)),
  /** Of `retry`: the code of the error after which it is tried again, if there was one. */
  after: Type.Optional(Type.String()),
  /** Of `retry`: when it may be tried again. */
  retry_at: Type.Optional(Type.String({ format: 'date-time' })),
});

export type WaitingFor = Static<typeof waitingForSchema>;
