import type { JobRecord } from '@comfy-fleet/jobs';
import { findLacks, type Workflows } from '@comfy-fleet/workflows';
import type { Instance } from './instance.js';

/** Whether the instance has the nodes and models that the job needs; what is unknown is tried. */
export function canRun({ request }: JobRecord, { abilities }: Instance, { templates }: Workflows): boolean {
  const template = templates.get(request.workflow);
  return template === undefined || abilities === undefined || findLacks(template, request, abilities).length === 0;
}
