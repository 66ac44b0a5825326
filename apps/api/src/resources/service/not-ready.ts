import type { Deps } from '../../deps.js';

/** Why this process cannot do its work now: none as long as Redis answers it and it is not about to stop. */
export async function notReady(
  { ledger, workflows }: Pick<Deps, 'ledger' | 'workflows'>,
  stopping: AbortSignal,
): Promise<readonly string[]> {
  if (stopping.aborted) return ['this process is stopping'];
  return ledger.ping().then(
    () => (workflows.isRegistryRead ? [] : ['the published workflows could not be read yet']),
    () => ['Redis does not answer'],
  );
}
