import { FleetError } from '@comfy-fleet/contracts';
import type { InstanceFault } from '@comfy-fleet/jobs';
import type { Scope } from '../instance/scope.js';
import { subjectOf } from '../instance/subject.js';
import type { Tools } from '../tools.js';
import type { HeldJob } from './held-job.js';
import { type FaultCode, KINDS, MOST_FAULTS, printOf, ruleOn } from './second-opinion.js';

/** What becomes of the job: it fails with `error`, or is given back after `delayMs` with its faults on the record. */
export type FaultSettlement =
  | { readonly error: FleetError }
  | { readonly delayMs: number; readonly because: 'elsewhere' | 'wait'; readonly faults: readonly InstanceFault[] };

/** A job that is to wait where it failed comes after those that wait already, so that one of them is the trial. */
const AFTER_OTHERS_MS = 1000;

/** Decides about a job that failed for what may be its instance's fault, and has the instance take note of it. */
export async function settleFault(
  { record, instance }: Pick<HeldJob, 'record' | 'instance'>,
  error: FleetError & { readonly code: FaultCode },
  { whoElse, tellOpinion, instruments }: Pick<Tools, 'whoElse' | 'tellOpinion' | 'instruments'>,
): Promise<FaultSettlement> {
  const { code } = error;
  const kind = KINDS[code];
  const subject = subjectOf(record);
  const fault = { instance: instance.name, code, print: printOf(error), suspect: instance.health.isSuspectOf(subject) };
  const faults = [...record.faults, fault].slice(-MOST_FAULTS);
  const scope = scopeOf(code, subject.workflow);
  const note = (certain: boolean) => {
    const scoped = scope === undefined ? {} : { scope };
    instance.health.jobFailed(subject, { print: fault.print, code, error: error.detail, certain, ...scoped });
  };
  instruments.faults.inc({ instance: instance.name, code });
  // What nobody else could try better is no reason to keep it from this instance.
  const dependsOnOthers = kind.certain && !kind.waits;
  // Before anything is waited for: of two jobs that fail at once only the first may find an instance that is not suspect.
  if (!dependsOnOthers) note(kind.certain);
  const others = await whoElse(record, faults);
  if (dependsOnOthers) note(others > 0);
  const { ruling, alikeOn } = ruleOn(faults, others);
  if (ruling === 'fail') {
    for (const name of alikeOn) await tellOpinion({ instance: name, job: record.id, verdict: 'alike' });
    return { error: alikeOn.length === 0 ? error : alike(error, alikeOn) };
  }
  const delayMs = ruling === 'elsewhere' ? 0 : instance.health.restMs(subject) + AFTER_OTHERS_MS;
  return { delayMs, because: ruling, faults };
}

/** What such an error says to be out of order; undefined when only what it has in common with others can tell. */
function scopeOf(code: FaultCode, workflow: string): Scope | undefined {
  if (code === 'gpu_failed' || code === 'instance_io_failed') return {};
  return code === 'library_missing' ? { workflow } : undefined;
}

function alike(error: FleetError, instances: readonly string[]): FleetError {
  const { code, detail, nodeId } = error;
  const where = `${instances.slice(0, -1).join(', ')} and ${instances.at(-1)}`;
  const options = { cause: error, ...(nodeId === undefined ? {} : { nodeId }) };
  return new FleetError(code, `${detail} It failed alike on ${where}, so the job is at fault.`, options);
}
