import type { Ledger } from '@comfy-fleet/jobs';

/** Why this process cannot do its work now: none as long as Redis answers it and it is not about to stop. */
export async function notReady(ledger: Pick<Ledger, 'ping'>, stopping: AbortSignal): Promise<readonly string[]> {
  if (stopping.aborted) return ['this process is stopping'];
  return ledger.ping().then(
    () => [],
    () => ['Redis does not answer'],
  );
}
