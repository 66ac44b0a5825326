import type { WorkflowAnswer } from '@comfy-fleet/contracts';
import { instancesServing } from '@comfy-fleet/jobs';
import { describeLack, lacksOfGraph, poolsOf, type Workflow } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';

/** The instances that may get jobs of the workflow and have said what they have: which can run it, what the others lack. */
export async function whoCanRun(
  { ledger: { fleet }, workflows }: Pick<Deps, 'ledger' | 'workflows'>,
  workflow: Workflow,
): Promise<WorkflowAnswer['pools']> {
  const classes = workflow.classes;
  const asked = {
    outputs: workflow.outputs.map(({ node }) => node),
    sourceAt: (node: string, input: string) => workflow.inputAt({ node, input }),
  };
  const { workers } = await fleet.overview();
  return Promise.all(
    poolsOf(workflow, workflows.profiles).map(async (pool) => {
      const live = new Set(instancesServing(workers, pool).map(({ name }) => name));
      const known = (await fleet.abilities(pool, classes)).filter(({ instance }) => live.has(instance));
      const instances = known.map(({ instance, abilities }) => {
        const found = lacksOfGraph(workflow.graph, abilities, asked);
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
