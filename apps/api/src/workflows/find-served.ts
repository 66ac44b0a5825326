import { FleetError } from '@comfy-fleet/contracts';
import { suggest } from '@comfy-fleet/workflows';
import type { LiveWorkflows, Served } from './live-workflows.js';
import { requireRegistry } from './require-registry.js';

/** The workflow as it is served now. Throws workflow_not_found, and queue_unavailable while that cannot be told. */
export function findServed(workflows: Pick<LiveWorkflows, 'served' | 'isRegistryRead'>, name: string): Served {
  requireRegistry(workflows);
  const { served } = workflows;
  const found = served.get(name);
  if (found !== undefined) return found;
  const detail = `There is no workflow of that name${suggest(name, [...served.keys()])}. GET /workflows lists those that there are.`;
  throw new FleetError('workflow_not_found', detail);
}
