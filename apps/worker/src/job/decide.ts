import { type ErrorCode, FleetError } from '@comfy-fleet/contracts';
import type { InstanceFault, Loss } from '@comfy-fleet/jobs';
import { backoffMs } from '../waiting.js';
import { crossCheckRuling } from './cross-check.js';
import type { Facts, FaultFacts } from './facts.js';
import { REACTIONS } from './reactions.js';
import { Canceled, Stopping, Superseded, TakenBack, Unable } from './signals.js';

/** What happens to a job whose run stopped; apply.ts carries it out. */
export type Decision =
  /** Write nothing more: another claim has the job, or will have it. */
  | { readonly action: 'let go' }
  /** Move it to the idle slots for which it was taken back, else to the queue for another worker. */
  | { readonly action: 'move' }
  /** Return it to the queue as it is, for the next worker to adopt. */
  | { readonly action: 'leave' }
  | { readonly action: 'end as canceled' }
  | Fail
  | Retry;

interface Fail extends Blame {
  readonly action: 'fail';
  readonly error: FleetError;
  /** ComfyUI may still have the submission. */
  readonly inDoubt?: true;
  /** Instances where it failed alike and that are therefore not at fault. */
  readonly alikeOn?: readonly string[];
}

/** Drop the submission and try again. */
interface Retry extends Blame {
  /** `again`: in the same slot, after freeing the GPU's memory; `release`: from the queue. */
  readonly action: 'again' | 'release';
  readonly loss: Loss;
  /** The reason as a sentence for people. */
  readonly reason: string;
  /** The label under which the retry is counted. */
  readonly code: ErrorCode;
  readonly delayMs: number;
  readonly faults?: readonly InstanceFault[];
}

interface Blame {
  /** The error that counts against the instance, though it need not be the instance's fault. */
  readonly blame?: FleetError | undefined;
}

/**
 * A job that waits for the instance where it failed queues behind the jobs that already wait, so that one of them is
 * the trial.
 */
const AFTER_OTHERS_MS = 1000;

/**
 * Decides what happens to a job from the error that stopped it and the facts about it. Pure, except for the jitter of
 * `random`.
 */
export function decide(error: unknown, facts: Facts, random: () => number = Math.random): Decision {
  if (error instanceof Superseded) return { action: 'let go' };
  if (error instanceof TakenBack) return { action: 'move' };
  if (error instanceof Stopping) return { action: 'leave' };
  if (error instanceof Canceled) return { action: 'end as canceled' };
  if (error instanceof Unable) {
    const reason = 'the instance cannot run the job, or no longer can';
    const delayMs = backoffMs(1, random);
    return { action: 'release', loss: 'taken_back', reason, code: 'workflow_rejected', delayMs };
  }
  if (!(error instanceof FleetError)) {
    const detail = 'Something went wrong in the worker. Its log has the reason.';
    return { action: 'fail', error: new FleetError('internal_error', detail, { cause: error }), inDoubt: true };
  }
  switch (REACTIONS[error.code]) {
    case 'let go':
      return { action: 'let go' };
    case 'fail':
      return { action: 'fail', error };
    case 'memory':
      return outOfMemory(error, facts);
    case 'hung':
      return timedOut(error, facts);
    case 'cross-check':
      return facts.fault === undefined ? { action: 'fail', error } : crossCheck(error, facts.fault);
    case 'again':
    case 'elsewhere':
      return anotherTry(error, facts, random);
  }
}

/**
 * First another try on the same instance, after freeing its memory if it really ran out; then one on another instance
 * with at least as much memory.
 */
function outOfMemory(error: FleetError, { ooms, memory }: Facts): Decision {
  const retry = { loss: 'out_of_memory', code: error.code, delayMs: 0 } as const;
  if (ooms === 1) return { action: 'again', reason: 'out of memory; another try on the same instance', ...retry };
  const { faults = [], others = 0 } = memory ?? {};
  if (ooms > 2 || others === 0) {
    return {
      action: 'fail',
      error,
      alikeOn: faults.filter(({ code }) => code === error.code).map(({ instance }) => instance),
    };
  }
  return { action: 'release', reason: 'out of memory; another try on another instance', faults, ...retry };
}

/** A hung instance proves nothing about how long the job takes, so the job gets one try elsewhere. */
function timedOut(error: FleetError, { hung }: Facts): Decision {
  const { faults = [], others = 0 } = hung ?? {};
  const isRepeated = faults.filter(({ code }) => code === error.code).length > 1;
  if (others === 0 || isRepeated) return { action: 'fail', error };
  const reason = 'the instance hangs; another try on another instance';
  return { action: 'release', loss: 'lost', reason, code: error.code, delayMs: 0, faults };
}

function crossCheck(error: FleetError, { faults, others, restMs }: FaultFacts): Decision {
  const { ruling, alikeOn } = crossCheckRuling(faults, others);
  const retry = { action: 'release', loss: 'faulty', code: error.code, faults } as const;
  switch (ruling) {
    case 'fail':
      return { action: 'fail', error: alikeOn.length === 0 ? error : alike(error, alikeOn), alikeOn };
    case 'elsewhere':
      return { ...retry, reason: 'it is to be tried on another instance', delayMs: 0 };
    case 'wait':
      return { ...retry, reason: 'it waits until the instance has recovered', delayMs: restMs + AFTER_OTHERS_MS };
  }
}

function alike(error: FleetError, instances: readonly string[]): FleetError {
  const { code, detail, nodeId, exception } = error;
  const where = `${instances.slice(0, -1).join(', ')} and ${instances.at(-1)}`;
  const node = nodeId === undefined ? {} : { nodeId };
  const options = { cause: error, ...node, ...(exception === undefined ? {} : { exception }) };
  return new FleetError(code, `${detail} It failed alike on ${where}, so the job is at fault.`, options);
}

function anotherTry(error: FleetError, facts: Facts, random: () => number): Decision {
  const { hasBegun, instanceDied, instanceSilent, isBystander, attempts, limits } = facts;
  if (isBystander && hasBegun && (instanceDied || instanceSilent)) {
    const reason = 'the instance fell silent for another submission; another try';
    return { action: 'release', loss: 'bystander', reason, code: error.code, delayMs: backoffMs(1, random) };
  }
  const onlyWaited = instanceSilent && !hasBegun;
  // A restart loses every prompt, and an unreachable instance is already known to be unreachable.
  const blame = instanceDied || onlyWaited || error.code === 'instance_unreachable' ? undefined : error;
  const kills = facts.kills + ((instanceDied || instanceSilent) && hasBegun ? 1 : 0);
  if (kills >= limits.maxInstanceDeaths) {
    const detail = `${kills} ComfyUI instances died or fell silent while they executed this job, so it is not tried again.`;
    const inDoubt = instanceSilent ? ({ inDoubt: true } as const) : {};
    return { action: 'fail', error: new FleetError('instance_killed', detail, { cause: error }), blame, ...inDoubt };
  }
  const refusals = facts.refusals + (hasBegun || onlyWaited ? 0 : 1);
  if ((hasBegun && attempts >= limits.maxAttempts) || refusals >= limits.maxRefusals) {
    return { action: 'fail', error, inDoubt: true, blame };
  }
  const reason = 'it is tried again, preferably on another instance';
  const delayMs = backoffMs(Math.max(attempts, refusals), random);
  const loss = instanceDied ? 'died' : instanceSilent ? 'silent' : 'lost';
  return { action: 'release', loss, reason, code: error.code, delayMs, blame };
}
