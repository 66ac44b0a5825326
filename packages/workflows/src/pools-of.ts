import { LODS } from '@comfy-fleet/contracts';
import type { Workflows } from './load-workflows.js';
import { poolFor } from './resolve-request.js';
import type { Workflow } from './workflow.js';

/** The pools that may get jobs of the workflow, at one level of detail or another. */
export function poolsOf(workflow: Workflow, profiles: Workflows['profiles']): string[] {
  return [...new Set(LODS.map((lod) => poolFor(workflow, lod, profiles)))];
}
