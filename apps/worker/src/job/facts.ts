import { FleetError } from '@comfy-fleet/contracts';
import type { InstanceFault } from '@comfy-fleet/jobs';
import { type Scope, subjectOf } from '../instance/scope.js';
import { ranOutOfMemory } from './free-memory.js';
import type { HeldJob } from './held-job.js';
import { type FaultCode, KINDS, MOST_FAULTS, printOf } from './second-opinion.js';
import type { Tools } from './tools.js';

/** What is known of a job that was stopped on its way, to decide by. */
export interface Facts {
  /** ComfyUI began to execute its submission. */
  readonly hasBegun: boolean;
  /** The instance died, or was restarted, while it had the submission. */
  readonly instanceDied: boolean;
  /** The instance fell silent while it executed the submission, or while that waited there. */
  readonly instanceSilent: boolean;
  /** Submissions that began executing, this one included, but not those that came to a fault. */
  readonly attempts: number;
  /** Times that instances refused or lost it before it began; this one is not among them. */
  readonly refusals: number;
  /** Instances that died or fell silent while they executed it, before this one. */
  readonly kills: number;
  /** Times that the GPU ran out of memory under it, this one included if it did. */
  readonly ooms: number;
  /** Of a second out-of-memory error. */
  readonly memory: ElsewhereFacts | undefined;
  /** Of a job whose time was up on an instance that did not even hear an interrupt. */
  readonly hung: ElsewhereFacts | undefined;
  /** Of an error that may be the instance's fault. */
  readonly fault: FaultFacts | undefined;
  readonly limits: Pick<Tools, 'maxAttempts' | 'maxRefusals' | 'maxInstanceDeaths'>;
}

/** As in FaultFacts; an instance with less memory cannot try it. */
type ElsewhereFacts = Pick<FaultFacts, 'faults' | 'others'>;

export interface FaultFacts {
  /** Those on its record and, last, this one. */
  readonly faults: readonly InstanceFault[];
  /** How many instances can try it where it has not failed. */
  readonly others: number;
  /** In how many ms nothing keeps it from being tried here again. */
  readonly restMs: number;
}

type Asking = Facts['limits'] & Pick<Tools, 'whoElse' | 'instruments'>;

type FaultError = FleetError & { readonly code: FaultCode };

/** Finds out what is needed to decide about the job, and has its instance take note of what may be its fault. */
export async function gatherFacts(job: HeldJob, error: unknown, tools: Asking): Promise<Facts> {
  const { record, submission } = job;
  const isOutOfMemory = error instanceof FleetError && error.code === 'out_of_memory';
  const isTimedOut = error instanceof FleetError && error.code === 'timed_out';
  const ooms = job.ooms + (isOutOfMemory ? 1 : 0);
  // ComfyUI unloads all models then.
  if (ranOutOfMemory(error)) job.instance.models.forget();
  return {
    hasBegun: submission?.hasBegun === true,
    instanceDied: submission?.instanceDied === true,
    instanceSilent: submission?.instanceSilent === true,
    attempts: job.attempts,
    refusals: record.refusals,
    kills: record.kills,
    ooms,
    memory: isOutOfMemory && ooms > 1 ? await noteOutOfMemory(job, error, tools) : undefined,
    hung: isTimedOut && submission?.isInDoubt ? await noteHung(job, error, tools) : undefined,
    fault: isFault(error) ? await noteFault(job, error, tools) : undefined,
    limits: tools,
  };
}

function isFault(error: unknown): error is FaultError {
  return error instanceof FleetError && Object.hasOwn(KINDS, error.code);
}

/** Its instance is suspected only if another one completes it: mostly a job that runs out of memory is too large. */
async function noteOutOfMemory(
  { record, instance }: HeldJob,
  error: FleetError,
  { whoElse }: Asking,
): Promise<ElsewhereFacts> {
  const { code, detail } = error;
  const subject = subjectOf(record);
  const scope = { workflow: subject.workflow };
  instance.health.jobFailed(subject, { print: code, code, error: detail, certain: false, scope });
  const faults = [...record.faults, { instance: instance.name, code, print: code, suspect: false }].slice(-MOST_FAULTS);
  return { faults, others: await whoElse(record, faults) };
}

/** Its instance gets no more jobs until the prompt is gone; see WedgeWatch. */
async function noteHung(
  { record, instance }: HeldJob,
  { code }: FleetError,
  { whoElse }: Asking,
): Promise<ElsewhereFacts> {
  const faults = [...record.faults, { instance: instance.name, code, print: code, suspect: false }].slice(-MOST_FAULTS);
  return { faults, others: await whoElse(record, faults) };
}

/** It failed for what may be its instance's fault. */
async function noteFault(
  { record, instance }: HeldJob,
  error: FaultError,
  { whoElse, instruments }: Asking,
): Promise<FaultFacts> {
  const { code } = error;
  const kind = KINDS[code];
  const subject = subjectOf(record);
  const print = printOf(error);
  // Known kinds are alike by their code: their words differ with what the GPU did at that moment.
  const failure = { print: kind.certain ? code : print, code, error: error.detail };
  const fault = { instance: instance.name, code, print, suspect: instance.health.isSuspectOf(subject, failure) };
  const faults = [...record.faults, fault].slice(-MOST_FAULTS);
  const scope = scopeOf(code, subject.workflow);
  const note = (certain: boolean) => {
    const scoped = scope === undefined ? {} : { scope };
    instance.health.jobFailed(subject, { ...failure, certain, ...scoped });
  };
  instruments.faults.inc({ instance: instance.name, code });
  // What nobody else could try better is no reason to keep it from this instance.
  const dependsOnOthers = kind.certain && !kind.waits;
  // Before anything is waited for: of two jobs that fail at once only the first may find an instance that is not suspect.
  if (!dependsOnOthers) note(kind.certain);
  const others = await whoElse(record, faults);
  if (dependsOnOthers) note(others > 0);
  return { faults, others, restMs: instance.health.restMs(subject) };
}

/** What such an error says to be out of order; undefined when only what it has in common with others can tell. */
function scopeOf(code: FaultCode, workflow: string): Scope | undefined {
  if (code === 'gpu_failed' || code === 'instance_io_failed') return {};
  return code === 'library_missing' ? { workflow } : undefined;
}
