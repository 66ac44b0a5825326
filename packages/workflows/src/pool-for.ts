import { DEFAULT_POOL, type ResolvedRequest } from '@comfy-fleet/contracts';
import type { Workflows } from './load-workflows.js';

/** The pool that runs a job: the workflow's own, since nowhere else it may fit, else its level of detail's. */
export function poolFor({ workflow, lod }: ResolvedRequest, { templates, profiles }: Workflows): string {
  return templates.get(workflow)?.pool ?? profiles[lod].pool ?? DEFAULT_POOL;
}
