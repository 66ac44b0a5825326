import { LODS } from '@comfy-fleet/contracts';
import { isMedia, outputKind, type Workflow, type WorkflowInput } from '@comfy-fleet/workflows';
import type { Caller } from '../../server/caller.js';
import { mayRun } from '../../server/rights.js';
import { requireRegistry } from '../../workflows/find-served.js';
import type { LiveWorkflows, Served } from '../../workflows/live-workflows.js';

/** What a request asks for: a picture of a prompt, of pictures and a prompt, or of a picture alone. */
export type Use = 'generations' | 'edits' | 'variations';

/** What is only the mask of a picture. */
export const MASK = 'mask';

/** The workflows that the key may run and that can be models, by name. Throws queue_unavailable while that cannot be told. */
export function modelsFor(
  workflows: Pick<LiveWorkflows, 'served' | 'isRegistryRead'>,
  caller: Caller,
): ReadonlyMap<string, Served> {
  requireRegistry(workflows);
  const models = [...workflows.served].filter(([name, { workflow }]) => mayRun(caller, name) && isModel(workflow));
  return new Map(models.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** It makes pictures of a prompt, and of pictures at most. */
function isModel({ inputs, outputs }: Workflow): boolean {
  return (
    inputs.some(({ name }) => name === 'prompt') &&
    inputs.every((input) => !isNeeded(input) || input.name === 'prompt' || input.type === 'image') &&
    outputs.some(({ className }) => ['image', 'output'].includes(outputKind(className)))
  );
}

/** The inputs that take the pictures of a request, in their order. */
export function pictureInputs({ inputs }: Workflow): readonly WorkflowInput[] {
  return inputs.filter(({ name, type }) => type === 'image' && name !== MASK);
}

/** It cannot run without. */
export function isNeeded({ required, type, default: told }: WorkflowInput): boolean {
  return required ?? (isMedia(type) && told === undefined);
}

export function serves(use: Use, workflow: Workflow): boolean {
  if (use !== 'generations') return pictureInputs(workflow).length > 0;
  return !workflow.inputs.some((input) => input.type === 'image' && isNeeded(input));
}

/** How a workflow is named as a model: alone, and with each level of detail. */
export function namesOf(workflow: string): string[] {
  return [workflow, ...LODS.map((lod) => `${workflow}@${lod}`)];
}
