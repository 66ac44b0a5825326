import type { TerminalStatus } from '@comfy-fleet/contracts';
import { type RedisClock, type Replication, writeUntilReplicated } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { type NamedArguments, orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import type { ItemEnd, WorkItem } from '../queue/pool-worker.js';
import { picturesOf } from '../record/outputs.js';
import type { Payloads } from '../record/payloads.js';
import type { JobRecord, Timings } from '../record/record.js';
import type { ScriptName } from '../scripts.js';
import type { Claim, Outcome, Verdict } from './claim.js';

/** Makes a claim from a record and its work item. */
export type ClaimHolder = (record: JobRecord, item: WorkItem) => Claim;

export interface ClaimHolderOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly payloads: Pick<Payloads, 'read'>;
  readonly transition: Transitions;
  readonly clock: RedisClock;
  /** How many executions of an instance are kept. */
  readonly timelineEntries: number;
}

export function createClaimHolder(options: ClaimHolderOptions): ClaimHolder {
  const { redis, keys, payloads, transition, clock, timelineEntries: timeline } = options;
  // Other hosts compare this time with theirs, so it must be by Redis' clock.
  const toRedisTime = (ms: number | undefined) => (ms === undefined ? undefined : Math.round(clock.at(ms)));
  const isHeardOn = async (...channels: string[]) => {
    const counts = await redis.pubsub('NUMSUB', ...channels);
    return counts.some((count, index) => index % 2 === 1 && Number(count) > 0);
  };
  return (record, item) => {
    const claim = `${record.claim} ${item.token}`;
    const run = async <T = Verdict>(name: ScriptName, args: NamedArguments): Promise<T> =>
      (await transition(name, record.id, { claim, ...args })) as T;
    const report = (what: string, args: NamedArguments = {}) => run('report', { what, ...args });
    // The sockets of a key follow a job only once it runs.
    const sockets = record.client === null ? [] : [keys.keyChannel(record.key)];
    return {
      record,
      submit: (promptId, instance, expectedStart) =>
        run('submit', { prompt_id: promptId, instance, expected_start: toRedisTime(expectedStart) }),
      start: (promptId, cachedNodes) =>
        report('start', { prompt_id: promptId, cached_nodes: cachedNodes && JSON.stringify(cachedNodes) }),
      progress: (progress) => report('progress', { progress: JSON.stringify(progress) }),
      isListenedTo: () => isHeardOn(keys.jobChannel(record.id)),
      isFollowed: () => isHeardOn(keys.jobChannel(record.id), ...sockets),
      preview: (preview) => report('preview', { preview: JSON.stringify(preview) }),
      origin: () => orUnavailable(async () => payloads.read(await redis.get(keys.origin(record.id)))),
      collect: () => report('collect'),
      lose: (promptId, reason, faults) =>
        run('lose', { prompt_id: promptId, reason, faults: faults && JSON.stringify(faults), timeline }),
      kill: (promptId) => report('kill', { prompt_id: promptId }),
      check: (expectedStart) => report('check', { expected_start: toRedisTime(expectedStart) }),
      finish: async (outcome, executed, timings) => {
        const args = { ...outcomeArguments(outcome, timings), executed, timeline };
        const became = await run<TerminalStatus | 'superseded'>('finish', args);
        if (became === 'superseded') item.abandon();
        else item.end(endOf(became, outcome));
        return became;
      },
      release: async (delayMs, after) => {
        await run('release', { code: after });
        item.giveBack(delayMs);
      },
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
      return { ...common, ...texts, loaded_ms: loadedMs, in_doubt: inDoubt || undefined };
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
