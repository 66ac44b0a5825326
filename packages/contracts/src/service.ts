import Type, { type Static } from 'typebox';
import { INSTANCE_STATES } from './fleet.js';
import { named, nullable, time } from './schema-parts.js';

/** Where the service is described, as `GET /` answers it. */
export const serviceIndexSchema = named('ServiceIndex', {
  name: Type.String(),
  description: Type.String(),
  links: Type.Object({
    docs: Type.String(),
    openapi: Type.String(),
    studio: Type.Optional(Type.String()),
  }),
});

/** Whether a process lives and can work, as `GET /livez` and `GET /readyz` answer it. */
export const probeSchema = named('Probe', {
  status: Type.Enum(['ok', 'unavailable']),
  reasons: Type.Array(Type.String(), { description: 'Why it is unavailable, or what is missing, in sentences.' }),
});

const healthInstanceSchema = Type.Object({
  name: Type.String({ description: '`<worker>/<n>`, or the name from the settings after the slash.' }),
  pools: Type.Array(Type.String(), { description: 'The pools whose jobs it takes.' }),
  state: Type.Enum([...INSTANCE_STATES]),
  reason: nullable(Type.String({ description: 'Why it is not up.' })),
  since: time(),
  drain: nullable(Type.Enum(['draining', 'drained'], { description: 'Set while an operator has drained it.' })),
  workflows: nullable(
    Type.Array(
      Type.Object({
        name: Type.String(),
        able: Type.Boolean({ description: 'It has everything for a request with only a prompt.' }),
        lacks: Type.Array(Type.String(), { description: 'The nodes and models that it lacks.' }),
      }),
      { description: 'The workflows of its pools. Null while its nodes are unknown.' },
    ),
  ),
});

/** The state of the service for people, as `GET /health` answers it. */
export const healthSchema = named('Health', {
  status: Type.Enum(['ok', 'degraded', 'down'], {
    description: '`degraded`: something is missing, and jobs may wait. `down`: no jobs are accepted.',
  }),
  reasons: Type.Array(Type.String(), { description: 'What is missing, in sentences.' }),
  warnings: Type.Array(Type.String(), {
    description: 'What makes the service less safe than it could be, in sentences. It works all the same.',
  }),
  redis: Type.Object({
    status: Type.Enum(['up', 'down']),
    latency_ms: nullable(Type.Number({ description: 'Time of one round trip.' })),
  }),
  storage: Type.Object(
    { status: Type.Enum(['up', 'down']) },
    { description: 'The store for files. While it is down, jobs are accepted but files cannot be read.' },
  ),
  pools: Type.Array(
    Type.Object({
      pool: Type.String(),
      open: Type.Integer({ description: 'Jobs that are accepted and have not ended.' }),
      waiting: Type.Integer({ description: 'Jobs in the queue, claimed by no worker.' }),
      running: Type.Integer(),
      paused: Type.Boolean({ description: 'Whether an operator has paused the pool.' }),
    }),
  ),
  workers: Type.Array(
    Type.Object({
      name: Type.String(),
      started_at: time(),
      seen_at: time(),
      pools: Type.Array(Type.String()),
      draining: Type.Boolean({ description: 'It is stopping and claims no more jobs.' }),
      storage_fault: nullable(
        Type.String({ description: 'Why it claims no jobs: it cannot store outputs. Null while it can.' }),
      ),
      instances: Type.Array(healthInstanceSchema),
    }),
  ),
});

export type ServiceIndex = Static<typeof serviceIndexSchema>;
export type Probe = Static<typeof probeSchema>;
export type Health = Static<typeof healthSchema>;
