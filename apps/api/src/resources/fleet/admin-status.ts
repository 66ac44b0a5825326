import type { AdminStatus } from '@comfy-fleet/contracts';
import type { FleetOverview } from '@comfy-fleet/jobs';
import { drainOf, presentHalt } from '../../fleet/drain.js';

/** Everything that operators have halted. */
export function adminStatus({ workers, halts }: Pick<FleetOverview, 'workers' | 'halts'>): AdminStatus {
  const known = new Map(workers.flatMap(({ instances }) => instances.map((instance) => [instance.name, instance])));
  return {
    paused: halts.fleet === undefined ? null : presentHalt(halts.fleet),
    pools: byName(halts.pools).map(([name, halt]) => ({ name, ...presentHalt(halt) })),
    instances: byName(halts.instances).map(([name, halt]) => {
      const instance = known.get(name);
      const drain = instance && drainOf(instance, halts);
      return { name, ...(drain ?? { state: 'gone', ...presentHalt(halt) }) };
    }),
  };
}

function byName<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}
