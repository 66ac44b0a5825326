import { fresh, type InstanceAbilities } from '@comfy-fleet/contracts';
import type { FleetOverview, Ledger } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';

/** The fleet as it was a few seconds ago, for answers about jobs. */
export interface FleetView {
  /** Undefined while the fleet cannot be read. Never throws. */
  current(): Promise<FleetOverview | undefined>;
  /** What the instances of a pool have of these node classes; empty while that cannot be read. Never throws. */
  abilities(pool: string, classes: readonly string[]): Promise<readonly InstanceAbilities[]>;
}

/** An older view is still used once while a new one is being read. */
const FRESH_MS = 2000;
/** An even older view is not used: the answer waits for a new one. */
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
