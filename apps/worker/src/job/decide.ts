import { type ErrorCode, FleetError } from '@comfy-fleet/contracts';
import type { InstanceFault, Loss } from '@comfy-fleet/jobs';
import { backoffMs } from '../waiting/backoff.js';
import type { Facts, FaultFacts } from './facts.js';
import { REACTIONS } from './reactions.js';
import { ruleOn } from './second-opinion.js';
import { Canceled, Stopping, Superseded, TakenBack, Unable } from './signals.js';

/** What becomes of a job that was stopped on its way; apply.ts does it. */
export type Decision =
  /** Nothing more is written: another claim has it, or will have it. */
  | { readonly what: 'let go' }
  /** To the idle slots of ours that it was taken back for, else into the queue for another worker's. */
  | { readonly what: 'move' }
  /** Into the queue as it is, for the next worker to adopt. */
  | { readonly what: 'leave' }
  | { readonly what: 'end as canceled' }
  | Fail
  | Retry;

interface Fail extends Blame {
  readonly what: 'fail';
  readonly error: FleetError;
  /** ComfyUI may still have the submission. */
  readonly inDoubt?: true;
  /** Instances where it failed alike, so that it is not their fault. */
  readonly alikeOn?: readonly string[];
}

/** The submission is off. */
interface Retry extends Blame {
  /** `again`: in the slot that it has, once more with the GPU's memory freed; `release`: into the queue. */
  readonly what: 'again' | 'release';
  readonly why: Loss;
  /** For people. */
  readonly because: string;
  /** What the retry is counted as. */
  readonly code: ErrorCode;
  readonly delayMs: number;
  readonly faults?: readonly InstanceFault[];
}

interface Blame {
  /** The instance is to take note that a job failed there for this, which need not be its fault. */
  readonly blame?: FleetError | undefined;
}

/** A job that is to wait where it failed comes after those that wait already, so that one of them is the trial. */
const AFTER_OTHERS_MS = 1000;

/** Decides about a job by what stopped it and what is known of it. Pure, but for the jitter of `random`. */
export function decide(error: unknown, facts: Facts, random: () => number = Math.random): Decision {
  if (error instanceof Superseded) return { what: 'let go' };
  if (error instanceof TakenBack) return { what: 'move' };
  if (error instanceof Stopping) return { what: 'leave' };
  if (error instanceof Canceled) return { what: 'end as canceled' };
  if (error instanceof Unable) {
    const because = 'the instance cannot run the job (any more)';
    const delayMs = backoffMs(1, random);
    return { what: 'release', why: 'taken_back', because, code: 'workflow_rejected', delayMs };
  }
  if (!(error instanceof FleetError)) {
    const detail = 'Something went wrong in the worker. The operator finds the reason in its log.';
    return { what: 'fail', error: new FleetError('internal_error', detail, { cause: error }), inDoubt: true };
  }
  switch (REACTIONS[error.code]) {
    case 'let go':
      return { what: 'let go' };
    case 'fail':
      return { what: 'fail', error };
    case 'memory':
      return outOfMemory(error, facts);
    case 'hung':
      return timedOut(error, facts);
    case 'opinion':
      return facts.fault === undefined ? { what: 'fail', error } : secondOpinion(error, facts.fault);
    case 'again':
    case 'elsewhere':
      return anotherTry(error, facts, random);
  }
}

/**
 * After the first time once more on the same instance, its memory freed if it did run out; after the second on another one
 * with at least as much memory.
 */
function outOfMemory(error: FleetError, { ooms, memory }: Facts): Decision {
  const retry = { why: 'out_of_memory', code: error.code, delayMs: 0 } as const;
  if (ooms === 1) return { what: 'again', because: 'out of memory; another try on the same instance', ...retry };
  const { faults = [], others = 0 } = memory ?? {};
  if (ooms > 2 || others === 0) {
    return {
      what: 'fail',
      error,
      alikeOn: faults.filter(({ code }) => code === error.code).map(({ instance }) => instance),
    };
  }
  return { what: 'release', because: 'out of memory; another try on another instance', faults, ...retry };
}

/** A hung instance says nothing about how long the job takes, so the job is tried once elsewhere. */
function timedOut(error: FleetError, { hung }: Facts): Decision {
  const { faults = [], others = 0 } = hung ?? {};
  const isRepeated = faults.filter(({ code }) => code === error.code).length > 1;
  if (others === 0 || isRepeated) return { what: 'fail', error };
  const because = 'the instance hangs; another try on another instance';
  return { what: 'release', why: 'lost', because, code: error.code, delayMs: 0, faults };
}

function secondOpinion(error: FleetError, { faults, others, restMs }: FaultFacts): Decision {
  const { ruling, alikeOn } = ruleOn(faults, others);
  const retry = { what: 'release', why: 'faulty', code: error.code, faults } as const;
  switch (ruling) {
    case 'fail':
      return { what: 'fail', error: alikeOn.length === 0 ? error : alike(error, alikeOn), alikeOn };
    case 'elsewhere':
      return { ...retry, because: 'it is to be tried on another instance', delayMs: 0 };
    case 'wait':
      return { ...retry, because: 'it waits until the instance has recovered', delayMs: restMs + AFTER_OTHERS_MS };
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
  const { hasBegun, instanceDied, instanceSilent, attempts, limits } = facts;
  const onlyWaited = instanceSilent && !hasBegun;
  // A restart takes every prompt with it, and whoever cannot be reached is found out by that.
  const blame = instanceDied || onlyWaited || error.code === 'instance_unreachable' ? undefined : error;
  const kills = facts.kills + ((instanceDied || instanceSilent) && hasBegun ? 1 : 0);
  if (kills >= limits.maxInstanceDeaths) {
    const detail = `${kills} ComfyUI instances died or fell silent while they executed this job, so it is not tried again.`;
    const inDoubt = instanceSilent ? ({ inDoubt: true } as const) : {};
    return { what: 'fail', error: new FleetError('instance_killed', detail, { cause: error }), blame, ...inDoubt };
  }
  const refusals = facts.refusals + (hasBegun || onlyWaited ? 0 : 1);
  if (attempts >= limits.maxAttempts || refusals >= limits.maxRefusals) {
    return { what: 'fail', error, inDoubt: true, blame };
  }
  const because = 'it is tried again, rather on another instance';
  const delayMs = backoffMs(Math.max(attempts, refusals), random);
  const why = instanceDied ? 'died' : instanceSilent ? 'silent' : 'lost';
  return { what: 'release', why, because, code: error.code, delayMs, blame };
}
