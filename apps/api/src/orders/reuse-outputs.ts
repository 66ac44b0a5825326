import type { Accepted } from '@comfy-fleet/jobs';
import type { Workflow } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import { withStorageDeadline } from '../files/storage.js';
import type { ApiRequest } from '../server/messages.js';

/** Whether the caller gave all seeds that would otherwise be random. */
export function hasAllSeeds(workflow: Workflow, inputs: Readonly<Record<string, unknown>> = {}): boolean {
  return workflow.inputs.every(
    ({ name, type, follows }) => type !== 'seed' || follows === 'seed' || inputs[name] != null,
  );
}

/**
 * If an equal job has already succeeded, ends the accepted job with copies of its outputs. A failure is only logged,
 * because the job is accepted: it is rendered a little later.
 */
export async function withReusedOutputs(
  { ledger, frames, copying }: Deps,
  accepted: Accepted,
  { caller, signal, log }: Pick<ApiRequest, 'caller' | 'signal' | 'log'>,
): Promise<Accepted> {
  const reuse = async (id: string, late: AbortSignal) => {
    const from = (await ledger.jobs.get(id))?.record.reusedFrom;
    const first = from == null ? undefined : (await ledger.jobs.get(from))?.record;
    if (first !== undefined) await ledger.reuse.give(first, id, frames, late);
  };
  try {
    for (const id of accepted.ids) {
      await withStorageDeadline(signal, (late) => copying(caller.id, () => reuse(id, late), { signal: late }));
    }
    const [only, ...others] = accepted.ids;
    if (only === undefined || others.length > 0) return accepted;
    return { ...accepted, only: (await ledger.jobs.get(only)) ?? accepted.only };
  } catch (error) {
    log.warn('could not reuse the outputs of an equal job', { error });
    return accepted;
  }
}
