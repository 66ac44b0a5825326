import type { ResolvedRequest, WorkflowAnswer } from '@comfy-fleet/contracts';
import { instancesServing } from '@comfy-fleet/jobs';
import { describeLack, findLacks, isMedia, poolsOf, type Workflow } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';

/** Stands for whatever file a job starts from. */
const ANY_FILE = { name: `${'0'.repeat(64)}.png`, kind: 'image' } as const;

/**
 * The instances that may get jobs of the workflow and have said what they have: which can run it with its own values, and
 * what the others lack for that.
 */
export async function whoCanRun(
  { ledger: { fleet }, workflows }: Pick<Deps, 'ledger' | 'workflows'>,
  workflow: Workflow,
): Promise<WorkflowAnswer['pools']> {
  const { classes } = workflow;
  const request = plainRequest(workflow);
  const { workers } = await fleet.overview();
  return Promise.all(
    poolsOf(workflow, workflows.profiles).map(async (pool) => {
      const live = new Set(instancesServing(workers, pool).map(({ name }) => name));
      const known = (await fleet.abilities(pool, classes)).filter(({ instance }) => live.has(instance));
      const instances = known.map(({ instance, abilities }) => {
        const found = findLacks(workflow, request, abilities);
        const missing = found.map((lack) => ({
          node_id: lack.node,
          class_type: lack.className,
          widget: lack.input ?? null,
          value: lack.input === undefined ? null : lack.value,
        }));
        return { name: instance, able: found.length === 0, lacks: found.map(describeLack), missing };
      });
      return { name: pool, instances };
    }),
  );
}

/** A job for which the caller sets nothing but the files. No instance lacks a seed. */
function plainRequest({ name: workflow, version, inputs, defaults }: Workflow): ResolvedRequest {
  const values = inputs.flatMap(({ name, type }) => {
    const value = isMedia(type) ? ANY_FILE : defaults[name];
    return value === undefined || type === 'seed' ? [] : [[name, value] as const];
  });
  return { workflow, version, lod: 'mid', inputs: Object.fromEntries(values), priority: 0, metadata: {} };
}
