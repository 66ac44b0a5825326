import { fresh, type InstanceAbilities } from '@comfy-fleet/contracts';
import type { FleetOverview, Ledger } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';

/** A picture of the fleet for what is said of jobs, which need not be of this very moment. */
export interface FleetView {
  /** As it was a few seconds ago at most; undefined while it cannot be read. Never throws. */
  current(): Promise<FleetOverview | undefined>;
  /** What the instances of a pool have of these node classes, as far as it can be read. Never throws. */
  abilities(pool: string, classes: readonly string[]): Promise<readonly InstanceAbilities[]>;
}

/** From this age on it is read again, behind the answer. */
const FRESH_MS = 2000;
/** From this age on the answer waits for it. */
const STALE_MS = 10_000;

export function createFleetView(fleet: Pick<Ledger['fleet'], 'overview' | 'abilities'>, log: Logger): FleetView {
  const view = fresh(FRESH_MS, async () => {
    try {
      return { overview: await fleet.overview(), at: performance.now() };
    } catch (error) {
      log.debug('the fleet could not be read', { error });
      throw error;
    }
  });

  return {
    current: async () => {
      const last = view.latest();
      if (last !== undefined && performance.now() - last.at <= STALE_MS) return last.overview;
      return view.now().then(
        ({ overview }) => overview,
        () => undefined,
      );
    },
    abilities: (pool, classes) => fleet.abilities(pool, classes).catch(() => []),
  };
}
