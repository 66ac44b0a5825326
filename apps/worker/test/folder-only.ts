import { loadWorkflows } from '@comfy-fleet/workflows';
import { createKnownWorkflows } from '../src/instance/known-workflows.js';

export const FOLDER = await loadWorkflows('workflows');

/** What a worker knows that has read each workflow of the folder once. */
export async function folderOnly() {
  const workflows = [...FOLDER.byName.values()];
  const textOf = async (wanted: string) => workflows.find(({ version }) => version === wanted)?.text;
  const known = createKnownWorkflows(textOf, FOLDER.profiles);
  const { signal } = new AbortController();
  for (const { name: workflow, version } of workflows) await known.load({ workflow, version }, signal);
  return known;
}
