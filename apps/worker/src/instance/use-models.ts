import type { JobRecord } from '@comfy-fleet/jobs';
import type { Instance } from './instance.js';
import type { KnownWorkflows } from './known-workflows.js';
import { modelsOfJob } from './workflow-of.js';

/** The job goes to the instance: what it holds when the next one begins is to be reckoned with it. */
export function useModels({ request }: JobRecord, { models }: Instance, workflows: KnownWorkflows): void {
  models.use(modelsOfJob(workflows, request));
}
