import type { AdminStatus } from '@comfy-fleet/contracts';
import { FleetError } from '@comfy-fleet/contracts';
import type { FleetOverview, HaltTarget } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { drainOf, presentHalt } from '../../fleet/drain.js';
import { knownCaller } from '../../server/caller.js';
import type { ApiRequest, Handler } from '../../server/messages.js';

type Action = 'drain' | 'pause' | 'resume';

/** Names shown when another was asked for. */
const MOST_NAMES = 20;

/**
 * Halts what a request names, or has it go on; answers everything that is halted then. Done twice it changes nothing.
 * Each is a line of the log, with the caller's key.
 */
export function changeHalt(
  { ledger: { fleet }, log }: Deps,
  action: Action,
  targetOf: (request: ApiRequest) => HaltTarget,
): Handler {
  return async (request) => {
    const target = targetOf(request);
    requireKnown(target, await fleet.overview());
    const { id: key } = knownCaller(request.caller);
    if (action === 'resume') await fleet.resume(target);
    else await fleet.halt(target, key);
    log.info('admin action', { action, ...target, key });
    return { status: 200, body: adminStatus(await fleet.overview()) };
  };
}

/** Throws `pool_not_found` and `instance_not_found` for what the fleet does not know: a slip would halt nothing. */
function requireKnown(target: HaltTarget, { pools, workers, halts }: FleetOverview): void {
  if (target.kind === 'fleet') return;
  if (target.kind === 'pool') {
    const names = new Set([...pools.map(({ pool }) => pool), ...halts.pools.keys()]);
    if (!names.has(target.name)) {
      throw new FleetError('pool_not_found', `No worker serves this pool and no job was for it. ${thereAre(names)}`);
    }
    return;
  }
  const present = workers.flatMap(({ instances }) => instances.map(({ name }) => name));
  const names = new Set([...present, ...halts.instances.keys()]);
  if (!names.has(target.name)) {
    throw new FleetError('instance_not_found', `No worker that is there has this instance. ${thereAre(names)}`);
  }
}

function thereAre(names: ReadonlySet<string>): string {
  if (names.size === 0) return 'There is none.';
  const shown = [...names].slice(0, MOST_NAMES).join(', ');
  return `There ${names.size === 1 ? 'is' : 'are'} ${shown}${names.size > MOST_NAMES ? ' and more' : ''}.`;
}

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
