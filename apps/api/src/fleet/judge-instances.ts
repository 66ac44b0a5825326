import type { Abilities, WorkerAnnouncement } from '@comfy-fleet/contracts';
import { classesOf, judgeWorkflows, type WorkflowVerdict } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';

/** Which workflows each instance can run that said what it has, by its name. */
export type Verdicts = ReadonlyMap<string, readonly WorkflowVerdict[]>;

export async function judgeInstances(
  { ledger: { fleet }, workflows, config }: Pick<Deps, 'ledger' | 'workflows' | 'config'>,
  workers: readonly WorkerAnnouncement[],
): Promise<Verdicts> {
  const instances = workers.flatMap((worker) => worker.instances);
  const pools = [...new Set(instances.flatMap((instance) => instance.pools))];
  const classes = classesOf(workflows.byName.values());
  const read = await Promise.all(pools.map((pool) => fleet.abilities(pool, classes)));
  const known = new Map(read.flat().map(({ instance, abilities }) => [instance, abilities]));
  // Instances that are alike share one object: each is judged once.
  const judged = new Map<Abilities, Map<string, readonly WorkflowVerdict[]>>();
  return new Map(
    instances.flatMap(({ name, pools }) => {
      const abilities = known.get(name);
      if (abilities === undefined) return [];
      const byPools = judged.get(abilities) ?? new Map<string, readonly WorkflowVerdict[]>();
      judged.set(abilities, byPools);
      const key = pools.join();
      const verdicts = byPools.get(key) ?? judgeWorkflows({ abilities, pools }, workflows, config.limits);
      byPools.set(key, verdicts);
      return [[name, verdicts] as const];
    }),
  );
}
