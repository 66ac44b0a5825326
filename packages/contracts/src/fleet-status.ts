import Type, { type Static } from 'typebox';
import { INSTANCE_STATES } from './fleet.js';
import { drainSchema, haltSchema } from './halt.js';
import { nullable, time } from './schema-parts.js';

const ids = () => Type.Array(Type.String());

const instanceStatusSchema = Type.Object({
  /** `<worker>/<n>`, or the name that it was given after the slash. */
  name: Type.String(),
  /** Whose jobs it takes. */
  pools: Type.Array(Type.String()),
  state: Type.Enum([...INSTANCE_STATES]),
  /** Since when it is in that state. */
  since: time(),
  /** Why it is not up. */
  reason: nullable(Type.String()),
  /** What it is not given since jobs failed there: all of its work when workflow and checkpoint are null. */
  rests: Type.Array(
    Type.Object({
      workflow: nullable(Type.String()),
      checkpoint: nullable(Type.String()),
      /** Only jobs of one API key are kept from it, since only these failed. */
      one_key: Type.Boolean(),
      /** When it is tried with one job. */
      until: time(),
      /** Of the error that was the last reason. */
      code: Type.String(),
      error: Type.String(),
    }),
  ),
  /** How many times as long as its peers it took lately for like work; null while there is nothing to compare. */
  slowness: nullable(Type.Number()),
  /** An operator has it be given no more prompts. */
  drain: nullable(drainSchema),
  vram_bytes: nullable(Type.Integer()),
  running: nullable(Type.Object({ job: Type.String(), since: time() })),
  /** Ids of the jobs in its queue, or on their way there. */
  waiting: ids(),
  /** Ids of the jobs whose pictures are being fetched. */
  collecting: ids(),
  /** Share of the last minute in which it executed, 0 to 1. */
  busy_share: Type.Number(),
  /** Since its worker started. */
  jobs_done: Type.Integer(),
  jobs_failed: Type.Integer(),
  /** In its memory, as far as we know. */
  checkpoint: nullable(Type.String()),
  /** The model files in its memory, as far as we know, the one used last first. */
  models: Type.Array(Type.String()),
});

const workerStatusSchema = Type.Object({
  name: Type.String(),
  started_at: time(),
  seen_at: time(),
  pools: Type.Array(Type.String()),
  /** It is stopping and takes no more jobs. */
  draining: Type.Boolean(),
  /** It takes no more jobs since it cannot store pictures; null while it can. */
  storage_fault: nullable(Type.Object({ reason: Type.String(), since: time() })),
  instances: Type.Array(instanceStatusSchema),
});

const mismatchSchema = Type.Object({
  instance: Type.String(),
  /** Node class that it lacks, or of which an input has fewer choices than on other instances of the pool. */
  node: Type.String(),
  /** Null when the class itself is missing. */
  input: nullable(Type.String()),
  lacks: Type.Array(Type.String()),
});

const waitingForModelsSchema = Type.Object({
  workflow: Type.String(),
  /** Files that its graph loads. */
  models: Type.Array(Type.String()),
  /** That no worker has taken yet. */
  jobs: Type.Integer(),
  /** Of the one that waits longest; null: all of them came after the oldest 50 of their level of detail. */
  oldest_wait_seconds: nullable(Type.Number()),
  /** Names of the instances that have all these models in memory, as far as we know. */
  held_by: Type.Array(Type.String()),
});

const shareSchema = Type.Object({
  key: Type.String(),
  weight: Type.Number(),
  /** GPU time of its jobs in the last minute and hour; what executes counts up to now. */
  gpu_seconds_minute: Type.Number(),
  gpu_seconds_hour: Type.Number(),
  /** Of the GPU time of all keys in that minute or hour, 0 to 1. */
  share_minute: Type.Number(),
  share_hour: Type.Number(),
  /**
   * What share_hour would be by weight: of each pool's GPU time its weight ÷ the weights of all keys that had jobs
   * waiting, executing or executed there in that hour.
   */
  fair_share: Type.Number(),
  /** Jobs that no worker has taken yet. */
  waiting: Type.Integer(),
  /** Age of the oldest of these; null when there is none. */
  oldest_wait_seconds: nullable(Type.Number()),
});

const poolStatusSchema = Type.Object({
  name: Type.String(),
  /** Accepted and not ended. */
  open: Type.Integer(),
  /** In the queue, taken by no worker. */
  waiting: Type.Integer(),
  running: Type.Integer(),
  /** An operator has it claimed by no worker, alone or with the whole fleet. */
  paused: nullable(haltSchema),
  /** Instances that are up, not drained, and whose worker takes jobs. */
  instances: Type.Integer(),
  /** What has not begun, by learned durations, divided among the instances. Null while nothing is known. */
  backlog_seconds: nullable(Type.Number()),
  /** A pool is a promise that its instances are alike: where they are not. */
  mismatches: Type.Array(mismatchSchema),
  /** Which models its jobs wait for, most jobs first; at most 50. */
  waiting_for_models: Type.Array(waitingForModelsSchema),
});

/** The fleet as `GET /fleet` answers it. */
export const fleetStatusSchema = Type.Object({
  /** An operator has no worker claim anything. */
  paused: nullable(haltSchema),
  pools: Type.Array(poolStatusSchema),
  workers: Type.Array(workerStatusSchema),
  /**
   * What the keys get of the GPU time that had jobs waiting, executing or executed in the last hour, most GPU time first.
   * At most 100: the 50 with most GPU time, and of the others those that wait longest.
   */
  shares: Type.Array(shareSchema),
  /** What an operator should know or do, in sentences. */
  notes: Type.Array(Type.String()),
});

export type FleetStatus = Static<typeof fleetStatusSchema>;
export type PoolMismatch = Static<typeof mismatchSchema>;
