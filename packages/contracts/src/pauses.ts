import Type, { type Static } from 'typebox';
import { POOL_PATTERN } from './fleet.js';
import { named } from './schema-parts.js';

const pause = {
  since: Type.String({ format: 'date-time' }),
  by: Type.String({
    description: 'The id of the API key that ordered it; `BullMQ` if a pool was paused with a BullMQ tool.',
  }),
};

/** Since when an operator has paused something, and with which key. */
export const pauseSchema = named('Halt', pause);

/** The drain of an instance. */
export const drainSchema = named('Drain', {
  state: Type.Enum(['draining', 'drained'], {
    description: '`draining`: it still executes, or its outputs are being collected. `drained`: it has no jobs.',
  }),
  ...pause,
});

/** What operators have paused and drained, as `GET /admin` and its changes answer it. */
export const adminStatusSchema = named('AdminStatus', {
  paused: Type.Union([pauseSchema, Type.Null()], { description: 'The whole fleet: no worker claims anything.' }),
  pools: Type.Array(Type.Object({ name: Type.String(), ...pause }), {
    description: 'Pools that are paused individually.',
  }),
  instances: Type.Array(
    Type.Object({
      name: Type.String({ description: '`<worker>/<n>`.' }),
      state: Type.Enum(['draining', 'drained', 'gone'], {
        description:
          '`draining`: it still executes, or its outputs are being collected. `drained`: it has no jobs. ' +
          '`gone`: its worker is not running; when it starts, it gives the instance no jobs.',
      }),
      ...pause,
    }),
    { description: 'Instances that get no more prompts.' },
  ),
});

/** The query of `POST /admin/pause` and `POST /admin/resume`. */
export const pauseQuerySchema = Type.Object(
  {
    pool: Type.Optional(
      Type.String({ pattern: POOL_PATTERN, description: 'Only this pool; by default the whole fleet.' }),
    ),
  },
  { additionalProperties: false },
);

export type Drain = Static<typeof drainSchema>;
export type AdminStatus = Static<typeof adminStatusSchema>;
