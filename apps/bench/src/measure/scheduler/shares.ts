import { type Goal, table } from '../../lib/report.js';
import type { Scope } from '../../lib/scope.js';
import { ledgerScheduler } from './ledger.js';
import type { Scenario } from './scenarios.js';
import { type Choice, fifo, type Scheduler, simulate } from './simulation.js';

/** The GPU time of each key, in ms, while all keys had a backlog. */
export interface Shares {
  readonly scenario: Scenario;
  readonly service: ReadonlyMap<string, number>;
  readonly fifo: ReadonlyMap<string, number>;
}

/** Runs the scenario with the service and in the order of arrival. */
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

/** The GPU time that each key got while all keys had waiting jobs, in ms. */
export function gpuTimeOf(choices: readonly Choice[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const { job, contestedMs } of choices) times.set(job.key, (times.get(job.key) ?? 0) + contestedMs);
  return times;
}

/** The share of one key in the total, 0 to 1; 0 if the total is 0. */
export function shareOf(key: string, amounts: ReadonlyMap<string, number>): number {
  const all = [...amounts.values()].reduce((sum, amount) => sum + amount, 0);
  return all === 0 ? 0 : (amounts.get(key) ?? 0) / all;
}

/** The largest deviation of a key from its due share, in per cent of it: 0 is fair, -100 is nothing at all. */
export function percentOffDue(times: ReadonlyMap<string, number>, weights: ReadonlyMap<string, number>): number {
  const offs = [...weights.keys()].map((key) => (shareOf(key, times) / shareOf(key, weights) - 1) * 100);
  return offs.reduce((worst, off) => (Math.abs(off) > Math.abs(worst) ? off : worst), 0);
}

/** Jain's fairness index: 1 if all have the same, 1 ÷ n if one of n has everything. */
export function jainIndex(values: readonly number[]): number {
  const sum = values.reduce((all, value) => all + value, 0);
  const squares = values.reduce((all, value) => all + value ** 2, 0);
  return squares === 0 ? 0 : sum ** 2 / (values.length * squares);
}

const MOST_OFF_PERCENT = 10;
const LEAST_JAIN = 0.95;

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

const signed = (off: number) => `${off < 0 ? '' : '+'}${off.toFixed(1)} %`;

export function sharesTable(pairs: readonly Shares[]): string {
  return table(
    "Key a's share of the GPU time while a and b have a backlog, beside that in the order of arrival (FIFO)",
    ['', 'claims', 'due', 'service', 'furthest off', 'FIFO', 'furthest off'],
    pairs.map(({ scenario: { what, claims, weights }, service, fifo }) => [
      what,
      `${claims}`,
      percent(shareOf('a', weights)),
      ...[service, fifo].flatMap((times) => [percent(shareOf('a', times)), signed(percentOffDue(times, weights))]),
    ]),
  );
}

export function sharesGoals(pairs: readonly Shares[]): Goal[] {
  return pairs.map(({ scenario: { what, weights }, service }) => {
    const value = Math.abs(percentOffDue(service, weights));
    return { what: `${what}: off its share`, value, unit: '%', bound: 'at most', limit: MOST_OFF_PERCENT };
  });
}

export function crowdTable({ scenario: { what, claims }, service, fifo }: Shares): string {
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  const side = (times: ReadonlyMap<string, number>) => {
    const all = [...times.values()];
    return [jainIndex(all).toFixed(3), seconds(Math.min(...all)), seconds(Math.max(...all))];
  };
  return table(
    "GPU seconds of each key, and Jain's fairness index of them, beside FIFO",
    ['', 'claims', 'service', 'least', 'most', 'FIFO', 'least', 'most'],
    [[what, `${claims}`, ...side(service), ...side(fifo)]],
  );
}

export function crowdGoals({ scenario: { what }, service }: Shares): Goal[] {
  const value = jainIndex([...service.values()]);
  return [{ what: `${what}: Jain's index`, value, unit: '', bound: 'at least', limit: LEAST_JAIN }];
}
