import Type, { type Static } from 'typebox';
import { ENCODE_AHEAD_OFF, ENCODE_AHEAD_STATES, INSTANCE_STATES } from './fleet.js';
import { drainSchema, pauseSchema } from './pauses.js';
import { named, nullable, time } from './schema-parts.js';

const ids = () => Type.Array(Type.String());

const instanceStatusSchema = named('InstanceStatus', {
  /** `<worker>/<n>`, or the name from the settings after the slash. */
  name: Type.String(),
  /** The pools whose jobs it takes. */
  pools: Type.Array(Type.String()),
  state: Type.Enum([...INSTANCE_STATES]),
  /** When it entered that state. */
  since: time(),
  /** Why it is not up. */
  reason: nullable(Type.String()),
  /** Work that it is not given because jobs failed there: all of it when workflow and checkpoint are null. */
  rests: Type.Array(
    Type.Object({
      workflow: nullable(Type.String()),
      checkpoint: nullable(Type.String()),
      /** The rest only concerns jobs of one API key, because only these failed. */
      one_key: Type.Boolean(),
      /** When it gets one job as a trial. */
      until: time(),
      /** Code of the last error. */
      code: Type.String(),
      error: Type.String(),
    }),
  ),
  /** How many times longer than its peers it recently took for similar work; null without a comparison. */
  slowness: nullable(Type.Number()),
  /** Set while an operator drains it. */
  drain: nullable(drainSchema),
  vram_bytes: nullable(Type.Integer()),
  running: nullable(Type.Object({ job: Type.String(), since: time() })),
  /** Ids of the jobs in its queue, or on their way there. */
  waiting: ids(),
  /** Ids of the jobs whose outputs are being collected. */
  collecting: ids(),
  /** The share of the last minute in which it executed, 0 to 1. */
  busy_share: Type.Number(),
  /** Since its worker started. */
  jobs_done: Type.Integer(),
  jobs_failed: Type.Integer(),
  /** The checkpoint in its memory, as far as we know. */
  checkpoint: nullable(Type.String()),
  /** The model files in its memory, as far as we know, the last used first. */
  models: Type.Array(Type.String()),
  /** Whether it encodes the texts of waiting jobs ahead; null if its worker is too old to say. */
  encode_ahead: nullable(
    Type.Object({
      /** `trial`: it does so to learn what that saves. */
      state: Type.Enum([...ENCODE_AHEAD_STATES]),
      /** For the workflow that saves most; null unless it is on. */
      saves_seconds_per_job: nullable(Type.Number()),
      /** Why it is off; null unless it is. */
      why: nullable(Type.Enum([...ENCODE_AHEAD_OFF])),
      /** What it saves, or why it is off and what to do, for people. */
      text: Type.String(),
    }),
  ),
});

const workerStatusSchema = named('WorkerStatus', {
  name: Type.String(),
  started_at: time(),
  seen_at: time(),
  pools: Type.Array(Type.String()),
  /** It is stopping and claims no more jobs. */
  draining: Type.Boolean(),
  /** Why it claims no jobs: it cannot store outputs; null while it can. */
  storage_fault: nullable(Type.Object({ reason: Type.String(), since: time() })),
  instances: Type.Array(instanceStatusSchema),
});

const waitingForModelsSchema = named('PoolWaitingForModels', {
  workflow: Type.String(),
  /** The files that its graph loads. */
  models: Type.Array(Type.String()),
  /** Jobs that no worker has claimed yet. */
  jobs: Type.Integer(),
  /** The wait of the oldest one; null if all of them come after the oldest 50 of their level of detail. */
  oldest_wait_seconds: nullable(Type.Number()),
  /** Instances that have all these models in memory, as far as we know. */
  held_by: Type.Array(Type.String()),
});

const shareSchema = named('KeyShare', {
  key: Type.String(),
  weight: Type.Number(),
  /** GPU time of its jobs in the last minute and hour; running jobs count up to now. */
  gpu_seconds_minute: Type.Number(),
  gpu_seconds_hour: Type.Number(),
  /** Its share of the GPU time of all keys in that minute or hour, 0 to 1. */
  share_minute: Type.Number(),
  share_hour: Type.Number(),
  /**
   * What share_hour would be by weight: of each pool's GPU time its weight ÷ the weights of all keys that had waiting
   * or running jobs, or executed jobs, there in that hour.
   */
  fair_share: Type.Number(),
  /** Jobs that no worker has claimed yet. */
  waiting: Type.Integer(),
  /** Age of the oldest of these; null if there are none. */
  oldest_wait_seconds: nullable(Type.Number()),
});

const poolStatusSchema = named('PoolStatus', {
  name: Type.String(),
  /** Jobs that are accepted and have not ended. */
  open: Type.Integer(),
  /** Jobs in the queue, claimed by no worker. */
  waiting: Type.Integer(),
  running: Type.Integer(),
  /** Set while an operator has paused the pool or the whole fleet. */
  paused: nullable(pauseSchema),
  /** Instances that are up and not drained, and whose worker claims jobs. */
  instances: Type.Integer(),
  /** Expected time to run all waiting jobs on these instances, from learned durations. Null while unknown. */
  backlog_seconds: nullable(Type.Number()),
  /** The models that its jobs wait for, most jobs first; at most 50. */
  waiting_for_models: Type.Array(waitingForModelsSchema),
});

/** The fleet as `GET /fleet` answers it. */
export const fleetStatusSchema = named('FleetStatus', {
  /** Set while an operator has paused the whole fleet. */
  paused: nullable(pauseSchema),
  pools: Type.Array(poolStatusSchema),
  workers: Type.Array(workerStatusSchema),
  /**
   * The GPU time of keys that had waiting or running jobs, or executed jobs, in the last hour, most GPU time first. At
   * most 100: the 50 with most GPU time and, of the others, those that wait longest.
   */
  shares: Type.Array(shareSchema),
  /** What an operator should know or do, in sentences. */
  notes: Type.Array(Type.String()),
});

export type FleetStatus = Static<typeof fleetStatusSchema>;
