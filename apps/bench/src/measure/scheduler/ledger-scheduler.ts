import type { Claim } from '@comfy-fleet/jobs';
import { inParallel, type Scope } from '../../lib/scope.js';
import { HOLDS_ALL, openLedgers } from './ledgers.js';
import { ordersOf } from './orders.js';
import type { Scheduler } from './simulation.js';

const ORDERS_AT_ONCE = 4;

/** The service's own scheduler, with an own prefix in that Redis. */
export async function ledgerScheduler(
  scope: Scope,
  {
    url,
    prefix,
    weights,
  }: { readonly url: string; readonly prefix: string; readonly weights: ReadonlyMap<string, number> },
): Promise<Scheduler> {
  const { ledger, source, close } = await openLedgers(scope, url, prefix);
  const held = new Map<string, Claim>();
  scope.onClose(async () => {
    for (const claim of held.values()) claim.letGo();
    await close();
  });
  return {
    submit: (jobs) => {
      const orders = ordersOf(jobs, weights);
      return inParallel(orders.length, ORDERS_AT_ONCE, async (index) => {
        const order = orders[index];
        if (order !== undefined) await ledger.orders.create(order);
      });
    },
    claim: async () => {
      const claim = await source.nextFor(HOLDS_ALL);
      if (claim === undefined || claim === 'left') return undefined;
      held.set(claim.record.id, claim);
      return claim.record.id;
    },
    end: async ({ id, gpuMs }) => {
      await held.get(id)?.finish({ status: 'succeeded', outputs: [], executedMs: gpuMs });
      held.delete(id);
    },
  };
}
