import type { ErrorCode, TerminalStatus } from '@comfy-fleet/contracts';
import { type RedisClock, type Replication, writeUntilReplicated } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { type NamedArguments, orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import type { ItemEnd, WorkItem } from '../queue/pool-worker.js';
import { type OutputRecord, picturesOf } from '../record/outputs.js';
import type { Payloads } from '../record/payloads.js';
import type { InstanceFault, JobError, JobRecord, Preview, Progress, Timings } from '../record/record.js';
import type { ScriptName } from '../scripts.js';

/**
 * The reply to a transition: `ok`; `canceling`: the caller wants the job stopped; `superseded`: another claim holds the
 * job now, and this one must let go of it.
 */
export type Verdict = 'ok' | 'canceling' | 'superseded';

/**
 * Why a submission was lost: the instance forgot it, died, fell silent or ran out of memory, or we took it back.
 * `faulty`: it failed, possibly through the instance's fault, which does not count against the job. `bystander`: the
 * instance died or fell silent, probably for another submission, which does not count either.
 */
export type Loss = 'lost' | 'died' | 'silent' | 'out_of_memory' | 'taken_back' | 'faulty' | 'bystander';

export type Outcome =
  /**
   * `executedMs`: how long ComfyUI executed it; `loadedMs`: how much of that was spent loading models, as far as known.
   */
  | {
      readonly status: 'succeeded';
      readonly outputs: readonly OutputRecord[];
      readonly executedMs?: number | undefined;
      readonly loadedMs?: number | undefined;
    }
  /**
   * `outputs`: those of nodes that had finished. `inDoubt`: ComfyUI may still have the submission, which must then be
   * stopped later.
   */
  | {
      readonly status: 'failed';
      readonly error: JobError;
      readonly outputs?: readonly OutputRecord[];
      readonly inDoubt?: boolean;
    }
  | { readonly status: 'canceled'; readonly inDoubt?: boolean };

/**
 * A job that a worker holds. Every transition names the claim, so that after a lost lock only the newest claim counts.
 * Transitions wait while Redis is away and may be repeated.
 */
export type Claim = ReturnType<ReturnType<typeof createClaimHolder>>;

export interface ClaimHolderOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly payloads: Pick<Payloads, 'read'>;
  readonly transition: Transitions;
  readonly clock: RedisClock;
}

/** Returns a function that makes a claim from a record and its work item. */
export function createClaimHolder(options: ClaimHolderOptions) {
  const { redis, keys, payloads, transition, clock } = options;
  // Other hosts compare this time with theirs, so it must be by Redis' clock.
  const toRedisTime = (ms: number | undefined) => (ms === undefined ? undefined : Math.round(clock.at(ms)));
  const isHeardOn = async (...channels: string[]) => {
    const counts = await redis.pubsub('NUMSUB', ...channels);
    return counts.some((count, index) => index % 2 === 1 && Number(count) > 0);
  };
  return (record: JobRecord, item: WorkItem) => {
    const claim = `${record.claim} ${item.token}`;
    const run = async <T = Verdict>(name: ScriptName, args: NamedArguments): Promise<T> =>
      (await transition(name, record.id, { claim, ...args })) as T;
    const report = <T = Verdict>(what: string, args: NamedArguments = {}) => run<T>('report', { what, ...args });
    // The sockets of a key follow a job only once it runs.
    const sockets = record.client === null ? [] : [keys.keyChannel(record.key)];
    return {
      /** The record as it was when it was claimed. `promptId` names a submission that may still exist. */
      record,
      /**
       * Records a submission; call this before sending it to ComfyUI. `expectedStart` (ms since 1970, by this host's
       * clock): the prompt will wait behind another one there, so an idle instance may recall the job. `recalled`:
       * nothing was recorded, because graphs of the key are held back after a kill; release the job.
       */
      submit: (promptId: string, instance: string, expectedStart?: number) => {
        const args = { prompt_id: promptId, instance, expected_start: toRedisTime(expectedStart) };
        return run<Verdict | 'recalled'>('submit', args);
      },
      /** ComfyUI began to execute the submission. `cachedNodes`: nodes whose results it has cached, if known. */
      start: (promptId: string, cachedNodes?: readonly string[]) =>
        report('start', { prompt_id: promptId, cached_nodes: cachedNodes && JSON.stringify(cachedNodes) }),
      progress: (progress: Progress) => report('progress', { progress: JSON.stringify(progress) }),
      /** Whether anybody listens to the job's events, so that a preview is worth its bytes. */
      isListenedTo: () => isHeardOn(keys.jobChannel(record.id)),
      /** Whether anybody will probably listen to the job's events when it runs. */
      isFollowed: () => isHeardOn(keys.jobChannel(record.id), ...sockets),
      preview: (preview: Preview) => report('preview', { preview: JSON.stringify(preview) }),
      /** The origin of the job as JSON, see NewJob; undefined if it has none. Also throws `storage_failed`. */
      origin: () => orUnavailable(async () => payloads.read(await redis.hget(keys.texts(record.id), 'origin'))),
      /** The execution has ended; outputs are being fetched. */
      collect: () => report('collect'),
      /** ComfyUI does not have the submission any more. `faults`: the new list of faults for the record. */
      lose: (promptId: string, reason: Loss, faults?: readonly InstanceFault[]) =>
        run('lose', { prompt_id: promptId, reason, faults: faults && JSON.stringify(faults) }),
      /** The submission killed its instance, or ignores its interrupt. This counts as a kill by the key; see readKills. */
      kill: (promptId: string) => report('kill', { prompt_id: promptId }),
      /**
       * Checks whether the job is still ours and still wanted; `recalled`: an idle instance wants it. `expectedStart`: as
       * in `submit`, if it turned out only now that the prompt waits.
       */
      check: (expectedStart?: number) =>
        report<Verdict | 'recalled'>('check', { expected_start: toRedisTime(expectedStart) }),
      /**
       * Ends the job. `executed`: the prompt id that began executing, in case `start` was not called; `timings`: how its
       * time was spent. Returns the job's final status, which is `canceled` if that was requested meanwhile.
       */
      finish: async (outcome: Outcome, executed?: string, timings?: Timings | null) => {
        const args = { ...outcomeArguments(outcome, timings), executed };
        const became = await run<TerminalStatus | 'superseded'>('finish', args);
        if (became === 'superseded') item.abandon();
        else item.end(endOf(became, outcome));
        return became;
      },
      /** Gives the job back for another claim after `delayMs`. `after`: the error that causes the retry. */
      release: async (delayMs: number, after?: ErrorCode) => {
        await run('release', { code: after });
        item.giveBack(delayMs);
      },
      /** Drops the job without changing it: another claim has it, or will get it when its lock expires. */
      letGo: () => item.abandon(),
    };
  };
}

/** Maximum number of outputs that a work item names. */
const MOST_NAMES = 20;

/** How the work item ends, as operators see it. */
function endOf(became: TerminalStatus, outcome: Outcome): ItemEnd {
  if (became === 'succeeded' && outcome.status === 'succeeded') {
    return { kind: 'completed', outputs: outcome.outputs.slice(0, MOST_NAMES).map(({ file }) => file) };
  }
  const isFailed = became === 'failed' && outcome.status === 'failed';
  return { kind: 'failed', reason: isFailed ? `${outcome.error.code}: ${outcome.error.detail}` : became };
}

/** The arguments of lua/finish.lua for an outcome. */
function outcomeArguments(outcome: Outcome, timings: Timings | null | undefined): NamedArguments {
  const common = { outcome: outcome.status, timings: timings ? JSON.stringify(timings) : undefined };
  const loadedMs = rounded(timings?.modelLoadMs);
  switch (outcome.status) {
    case 'succeeded': {
      const { outputs, executedMs } = outcome;
      const times = { executed_ms: rounded(executedMs), loaded_ms: rounded(outcome.loadedMs) };
      return { ...common, ...times, outputs: JSON.stringify(outputs), pictures: picturesOf(outputs).length };
    }
    case 'failed': {
      const { outputs, error, inDoubt } = outcome;
      const texts = { outputs: outputs && JSON.stringify(outputs), error: JSON.stringify(error) };
      // The script must not parse the error, which may quote half of a surrogate pair.
      const hasKilled = error.code === 'instance_killed';
      return { ...common, ...texts, loaded_ms: loadedMs, in_doubt: inDoubt || undefined, has_killed: hasKilled };
    }
    case 'canceled':
      return { ...common, loaded_ms: loadedMs, in_doubt: outcome.inDoubt || undefined };
  }
}

function rounded(ms: number | null | undefined): number | undefined {
  return ms == null ? undefined : Math.round(ms);
}

/** Runs a transition script of a job. */
export type Transitions = (name: ScriptName, id: string, args: NamedArguments) => Promise<unknown>;

export interface TransitionsOptions {
  readonly redis: Redis;
  /** A connection for submissions, because they wait for replicas, which blocks everything else on it. */
  readonly submitting: Redis;
  readonly replication: Replication;
  readonly keys: Keys;
  readonly jobTtlSeconds: number;
}

export function createTransitions(options: TransitionsOptions): Transitions {
  const { redis, submitting, replication, keys, jobTtlSeconds } = options;
  return (name, id, args) => {
    const named = { id, ended_life: jobTtlSeconds * 1000, ...args };
    const runOn = (at: Redis) => orUnavailable(() => runScript(at, name, keys.job(id), keys.prefix, named));
    // Replicas must have a submission before it is sent to ComfyUI, so that it survives a failover.
    if (name === 'submit') return orUnavailable(() => writeUntilReplicated(replication, () => runOn(submitting)));
    return runOn(redis);
  };
}
