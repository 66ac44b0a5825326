import Type, { type Static } from 'typebox';
import { INSTANCE_STATES } from './fleet.js';
import { nullable, time } from './schema-parts.js';

/** What there is, as `GET /` answers it. */
export const serviceIndexSchema = Type.Object({
  name: Type.String(),
  description: Type.String(),
  links: Type.Record(
    Type.String(),
    Type.Object({
      method: Type.Enum(['GET', 'POST', 'PUT', 'DELETE']),
      url: Type.String({ description: 'With {names} of what is to be filled in.' }),
    }),
  ),
});

/** Whether a process lives and can work, as `GET /livez` and `GET /readyz` answer it. */
export const probeSchema = Type.Object({
  status: Type.Enum(['ok', 'unavailable']),
  reasons: Type.Array(Type.String(), { description: 'Why it is unavailable, or what it lacks, in sentences.' }),
});

const healthInstanceSchema = Type.Object({
  name: Type.String({ description: '`<worker>/<n>`, or the name that it was given after the slash.' }),
  pools: Type.Array(Type.String(), { description: 'Whose jobs it takes.' }),
  state: Type.Enum([...INSTANCE_STATES]),
  reason: nullable(Type.String({ description: 'Why it is not up.' })),
  since: time(),
  drain: nullable(Type.Enum(['draining', 'drained'], { description: 'Set while an operator has drained it.' })),
  workflows: nullable(
    Type.Array(
      Type.Object({
        name: Type.String(),
        able: Type.Boolean({ description: 'It has what a request needs that names nothing but a prompt.' }),
        lacks: Type.Array(Type.String(), { description: 'The nodes and models that it has not.' }),
      }),
      { description: 'Those that may come to its pools. Null while it has not said what it has.' },
    ),
  ),
});

/** The service for people, as `GET /health` answers it. */
export const healthSchema = Type.Object({
  status: Type.Enum(['ok', 'degraded', 'down'], {
    description: '`degraded`: a part is missing and jobs may wait. `down`: no job can be taken.',
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
    { description: 'Where pictures are kept. While it is down jobs can be asked for, and pictures cannot.' },
  ),
  pools: Type.Array(
    Type.Object({
      pool: Type.String(),
      open: Type.Integer({ description: 'Accepted and not ended.' }),
      waiting: Type.Integer({ description: 'In the queue, taken by no worker.' }),
      running: Type.Integer(),
      paused: Type.Boolean({ description: 'An operator has no worker claim any of its jobs.' }),
    }),
  ),
  workers: Type.Array(
    Type.Object({
      name: Type.String(),
      started_at: time(),
      seen_at: time(),
      pools: Type.Array(Type.String()),
      draining: Type.Boolean({ description: 'It is stopping and takes no more jobs.' }),
      storage_fault: nullable(
        Type.String({ description: 'Why it takes no more jobs: it cannot store pictures. Null while it can.' }),
      ),
      instances: Type.Array(healthInstanceSchema),
    }),
  ),
});

export type ServiceIndex = Static<typeof serviceIndexSchema>;
export type Probe = Static<typeof probeSchema>;
export type Health = Static<typeof healthSchema>;
