import type { Scope } from '../../lib/scope.js';
import { fifo } from './fifo.js';
import { ledgerScheduler } from './ledger-scheduler.js';
import type { Scenario } from './scenarios.js';
import { gpuTimeOf } from './shares.js';
import { type Scheduler, simulate } from './simulation.js';

/** The GPU ms of each key while all had a backlog. */
export interface Shares {
  readonly scenario: Scenario;
  readonly service: ReadonlyMap<string, number>;
  readonly fifo: ReadonlyMap<string, number>;
}

/** What the service makes of the scenario, and what serving in the order of arrival would. */
export function measureShares(
  all: Scope,
  { url, prefix, scenario }: { readonly url: string; readonly prefix: string; readonly scenario: Scenario },
): Promise<Shares> {
  return all.inner(async (scope) => {
    const timesUnder = async (scheduler: Scheduler) => gpuTimeOf(await simulate(scheduler, scenario));
    const service = await timesUnder(await ledgerScheduler(scope, { url, prefix, weights: scenario.weights }));
    return { scenario, service, fifo: await timesUnder(fifo()) };
  });
}
