import { loadWorkflows } from '@comfy-fleet/workflows';
import { createKnownWorkflows } from '../src/job/known-workflows.js';

/** What a worker knows of jobs that name no version: the files of the folder. */
export const folderOnly = async () => createKnownWorkflows(async () => undefined, await loadWorkflows('workflows'));
