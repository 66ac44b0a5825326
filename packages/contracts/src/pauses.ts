import Type, { type Static } from 'typebox';
import { POOL_PATTERN } from './fleet.js';

const pause = {
  since: Type.String({ format: 'date-time' }),
  by: Type.String({
    description: 'The id of the API key that asked for it; `BullMQ` if a pool was paused with a tool of BullMQ.',
  }),
};

/** Since when something takes no more work because an operator wants it so, and by whose key. */
export const pauseSchema = Type.Object(pause);

/** What there is of an instance that is to be given no more prompts. */
export const drainSchema = Type.Object({
  state: Type.Enum(['draining', 'drained'], {
    description:
      '`draining`: it still executes, or its pictures are being fetched. `drained`: nothing of ours is there.',
  }),
  ...pause,
});

/** What an operator has halted, as `GET /admin` and every change of it answer. */
export const adminStatusSchema = Type.Object({
  paused: Type.Union([pauseSchema, Type.Null()], { description: 'The whole fleet: no worker claims anything.' }),
  pools: Type.Array(Type.Object({ name: Type.String(), ...pause }), {
    description: 'Pools that are paused by themselves.',
  }),
  instances: Type.Array(
    Type.Object({
      name: Type.String({ description: '`<worker>/<n>`.' }),
      state: Type.Enum(['draining', 'drained', 'gone'], {
        description:
          '`draining`: it still executes, or its pictures are being fetched. `drained`: nothing of ours is there. ' +
          '`gone`: its worker is not there; when it comes it gives the instance nothing.',
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
      Type.String({ pattern: POOL_PATTERN, description: 'One pool alone; without it, the whole fleet.' }),
    ),
  },
  { additionalProperties: false },
);

export type Drain = Static<typeof drainSchema>;
export type AdminStatus = Static<typeof adminStatusSchema>;
