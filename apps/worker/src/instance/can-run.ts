import type { JobRecord } from '@comfy-fleet/jobs';
import { findLacks, type Workflows } from '@comfy-fleet/workflows';
import type { Instance } from '../instance/instance.js';

/** Whether the instance serves the job's pool and has the nodes and models that it needs; what is unknown is tried. */
export function canRun({ pool, request }: JobRecord, instance: Instance, { templates }: Workflows): boolean {
  const { abilities, pools } = instance;
  if (!pools.includes(pool)) return false;
  const template = templates.get(request.workflow);
  return template === undefined || abilities === undefined || findLacks(template, request, abilities).length === 0;
}
