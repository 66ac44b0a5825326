import { isMemoryType } from '@comfy-fleet/comfyui';
import { FleetError } from '@comfy-fleet/contracts';
import type { InstanceFault } from '@comfy-fleet/jobs';
import { type Scope, subjectOf } from '../instance/scope.js';
import { type FaultCode, KINDS, MOST_FAULTS, printOf } from './cross-check.js';
import type { HeldJob } from './held-job.js';
import type { Tools } from './tools.js';

/** What is known of a job whose run stopped, as the basis of the decision. */
export interface Facts {
  /** ComfyUI began to execute its submission. */
  readonly hasBegun: boolean;
  /** The instance died or was restarted while it had the submission. */
  readonly instanceDied: boolean;
  /** The instance fell silent while it executed or queued the submission. */
  readonly instanceSilent: boolean;
  /** The instance fell silent when it had the submission of another key's job to answer. */
  readonly isBystander: boolean;
  /** Submissions that began executing, including this one, except those that failed for a fault of an instance. */
  readonly attempts: number;
  /** How often instances refused or lost it before it began, not counting this time. */
  readonly refusals: number;
  /** How many instances died or fell silent while they executed it, not counting this one. */
  readonly kills: number;
  /** How often the GPU ran out of memory, including this time. */
  readonly ooms: number;
  /** Set for the second out-of-memory error and later ones. */
  readonly memory: ElsewhereFacts | undefined;
  /** Set when the job's time is up and its instance ignored the interrupt. */
  readonly hung: ElsewhereFacts | undefined;
  /** Set for an error that may be the instance's fault. */
  readonly fault: FaultFacts | undefined;
  readonly limits: Pick<Tools, 'maxAttempts' | 'maxRefusals' | 'maxInstanceDeaths'>;
}

/** As in FaultFacts, except that instances with too little memory do not count. */
type ElsewhereFacts = Pick<FaultFacts, 'faults' | 'others'>;

export interface FaultFacts {
  /** The faults on its record and, last, this one. */
  readonly faults: readonly InstanceFault[];
  /** How many instances can try it and did not fail it. */
  readonly others: number;
  /** In how many ms this instance may try it again. */
  readonly restMs: number;
}

type Asking = Facts['limits'] & Pick<Tools, 'countOthers' | 'instruments'>;

type FaultError = FleetError & { readonly code: FaultCode };

/** Collects the facts for the decision, and reports faults to the instance's health. */
export async function gatherFacts(job: HeldJob, error: unknown, tools: Asking): Promise<Facts> {
  const { record, submission } = job;
  const isOutOfMemory = error instanceof FleetError && error.code === 'out_of_memory';
  const isTimedOut = error instanceof FleetError && error.code === 'timed_out';
  const ooms = job.ooms + (isOutOfMemory ? 1 : 0);
  // ComfyUI unloads all models when memory runs out.
  if (ranOutOfMemory(error)) job.instance.models.forget();
  return {
    hasBegun: submission?.hasBegun === true,
    instanceDied: submission?.instanceDied === true,
    instanceSilent: submission?.instanceSilent === true,
    isBystander: submission?.isBystander === true,
    attempts: job.attempts,
    refusals: record.refusals,
    kills: record.kills,
    ooms,
    memory: isOutOfMemory && ooms > 1 ? await gatherMemoryFacts(job, error, tools) : undefined,
    hung: isTimedOut && submission?.isInDoubt ? await gatherHungFacts(job, error, tools) : undefined,
    fault: isFault(error) ? await gatherFaultFacts(job, error, tools) : undefined,
    limits: tools,
  };
}

/**
 * Whether the type of the exception shows that the GPU ran out of memory. The message proves nothing, because the
 * caller may control it.
 */
export function ranOutOfMemory(error: unknown): boolean {
  return error instanceof FleetError && error.code === 'out_of_memory' && isMemoryType(error.exception?.type ?? '');
}

function isFault(error: unknown): error is FaultError {
  return error instanceof FleetError && Object.hasOwn(KINDS, error.code);
}

/**
 * The instance is suspected only if another one completes the job: usually a job that runs out of memory is too large.
 */
async function gatherMemoryFacts(
  { record, instance }: HeldJob,
  error: FleetError,
  { countOthers }: Asking,
): Promise<ElsewhereFacts> {
  const { code, detail } = error;
  const subject = subjectOf(record);
  const scope = { workflow: subject.workflow };
  instance.health.jobFailed(subject, { print: code, code, error: detail, certain: false, scope });
  const faults = [...record.faults, { instance: instance.name, code, print: code, suspect: false }].slice(-MOST_FAULTS);
  return { faults, others: await countOthers(record, faults) };
}

/** The instance gets no jobs until the prompt is gone; see HungWatch. */
async function gatherHungFacts(
  { record, instance }: HeldJob,
  { code }: FleetError,
  { countOthers }: Asking,
): Promise<ElsewhereFacts> {
  const faults = [...record.faults, { instance: instance.name, code, print: code, suspect: false }].slice(-MOST_FAULTS);
  return { faults, others: await countOthers(record, faults) };
}

/** The failure may be the instance's fault. */
async function gatherFaultFacts(
  { record, instance }: HeldJob,
  error: FaultError,
  { countOthers, instruments }: Asking,
): Promise<FaultFacts> {
  const { code } = error;
  const kind = KINDS[code];
  const subject = subjectOf(record);
  const print = printOf(error);
  // For faults of the machine the code decides, because their texts depend on what the GPU did at that moment.
  const failure = { print: kind.certain ? code : print, code, error: error.detail };
  const fault = { instance: instance.name, code, print, suspect: instance.health.isSuspectOf(subject, failure) };
  const faults = [...record.faults, fault].slice(-MOST_FAULTS);
  const scope = scopeOf(code, subject.workflow);
  const reportFailure = (certain: boolean) => {
    const scoped = scope === undefined ? {} : { scope };
    instance.health.jobFailed(subject, { ...failure, certain, ...scoped });
  };
  instruments.faults.inc({ instance: instance.name, code });
  // If no other instance could do better, the error is no reason for this one to rest.
  const dependsOnOthers = kind.certain && !kind.waits;
  // Report before waiting for anything: of two jobs that fail at the same time, only the first may find the instance
  // unsuspected.
  if (!dependsOnOthers) reportFailure(kind.certain);
  const others = await countOthers(record, faults);
  if (dependsOnOthers) reportFailure(others > 0);
  return { faults, others, restMs: instance.health.restMs(subject) };
}

/** The scope that such an error shows to be broken; undefined when only a comparison with other failures can tell. */
function scopeOf(code: FaultCode, workflow: string): Scope | undefined {
  if (code === 'gpu_failed' || code === 'instance_io_failed') return {};
  return code === 'library_missing' ? { workflow } : undefined;
}
