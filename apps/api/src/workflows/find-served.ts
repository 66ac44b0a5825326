import { FleetError } from '@comfy-fleet/contracts';
import { suggest } from '@comfy-fleet/workflows';
import { type Caller, mayRun } from '../server/caller.js';
import type { LiveWorkflows, Served } from './live-workflows.js';

const UNREAD = 'The published workflows could not be read yet. Nothing was lost; try again shortly.';

/** The workflow as it is served now. Suggests only what the caller may run. Throws workflow_not_found, and queue_unavailable while that cannot be told. */
export function findServed(
  workflows: Pick<LiveWorkflows, 'served' | 'isRegistryRead'>,
  name: string,
  caller: Pick<Caller, 'workflows'> = { workflows: undefined },
): Served {
  requireRegistry(workflows);
  const { served } = workflows;
  const found = served.get(name);
  if (found !== undefined) return found;
  const names = [...served.keys()].filter((one) => mayRun(caller, one));
  const detail = `There is no workflow of that name${suggest(name, names)}. GET /workflows lists those that there are.`;
  throw new FleetError('workflow_not_found', detail);
}

/** Throws queue_unavailable while nobody can tell which workflows are served. */
export function requireRegistry({ isRegistryRead }: Pick<LiveWorkflows, 'isRegistryRead'>): void {
  if (!isRegistryRead) throw new FleetError('queue_unavailable', UNREAD, { retryAfterSeconds: 1 });
}
