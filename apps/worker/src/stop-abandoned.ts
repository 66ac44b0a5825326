import type { WorkerLedger } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Instance } from './instance.js';

interface Context {
  readonly ledger: WorkerLedger;
  readonly instances: readonly Instance[];
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/**
 * Stops what other workers, or this one, gave up while an instance of ours was out of reach: its job is rendered
 * elsewhere or has ended, and here it only keeps a GPU from the next one. What an instance does not answer waits for
 * the next time.
 */
export async function stopAbandoned({ ledger, instances, signal, log }: Context): Promise<void> {
  const abandoned = await ledger.abandoned();
  for (const instance of instances) {
    const own = abandoned.filter((prompt) => prompt.instance === instance.name);
    if (own.length === 0 || !instance.health.isReachable) continue;
    const ids = own.map(({ promptId }) => promptId);
    // In this order: what begins in between is not in the queue any more, and then runs.
    await instance.ask((client) => client.deleteQueued(ids, signal));
    for (const id of ids) await instance.ask((client) => client.interrupt(id, signal));
    await ledger.forgetAbandoned(own);
    log.info('stopped prompts that no job wants any more', { instance: instance.name, prompt_ids: ids });
  }
}
