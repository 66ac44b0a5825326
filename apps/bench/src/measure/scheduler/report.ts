import { type Goal, median, table } from '../../lib/report.js';
import type { Cost } from './measure-cost.js';
import type { Lone } from './measure-lone.js';
import type { Shares } from './measure-shares.js';
import { jainIndex, percentOffDue, shareOf } from './shares.js';
import type { Claims } from './stock.js';

const MOST_OFF_PERCENT = 10;
const LEAST_JAIN = 0.95;
/**
 * The key begins level with the key that is served next; some whose jobs cost less than expected may be just behind.
 */
const MOST_CLAIMS_FOR_LONE = 4;
const MOST_RATIO = 1.3;
const MOST_BYTES = 2600;

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

export function loneTable(floods: readonly Lone[]): string {
  return table(
    'Claims until the only job of a new key is claimed, 1 for the next one, in the middle of a flood',
    ['', 'tries', 'median', 'most', 'FIFO'],
    floods.map(({ what, service, fifo }) => [
      what,
      `${service.length}`,
      `${median(service)}`,
      `${Math.max(...service)}`,
      `${median(fifo)}`,
    ]),
  );
}

export function loneGoals(floods: readonly Lone[]): Goal[] {
  return floods.map(({ what, service }) => {
    const limit = MOST_CLAIMS_FOR_LONE;
    return { what: `a lone job beside ${what}`, value: Math.max(...service), unit: '', bound: 'at most', limit };
  });
}

/** Of each round by itself, since a round in which the machine is slow is slow for both; the median of them. */
function ratioOf(cost: Cost, least: Cost, of: (claims: Claims) => number): number {
  return median(cost.rounds.map((round, n) => of(round) / of(least.rounds[n] as Claims)));
}

export function costTable(costs: readonly Cost[]): string {
  const [least] = costs;
  return table(
    'Claims from queues of 1,000 keys, and their ratio to those from the shortest',
    ['waiting', 'filled in s', 'bytes each', 'claims/s', 'ratio', 'Redis CPU µs', 'ratio'],
    costs.map((cost) => [
      `${cost.stock.jobs}`,
      cost.stock.fillSeconds.toFixed(1),
      cost.stock.bytesPerJob.toFixed(0),
      (1e6 / median(cost.rounds.map(({ us }) => us))).toFixed(0),
      least === undefined ? '' : ratioOf(cost, least, ({ us }) => us).toFixed(3),
      median(cost.rounds.map(({ cpuUs }) => cpuUs)).toFixed(0),
      least === undefined ? '' : ratioOf(cost, least, ({ cpuUs }) => cpuUs).toFixed(3),
    ]),
  );
}

export function costGoals([least, ...longer]: readonly Cost[]): Goal[] {
  if (least === undefined) return [];
  return longer.flatMap((cost): Goal[] => {
    const { jobs, bytesPerJob } = cost.stock;
    const beside = `with ${jobs} waiting ÷ with ${least.stock.jobs}`;
    const ratio = { unit: '', bound: 'at most', limit: MOST_RATIO } as const;
    return [
      { what: `time of a claim ${beside}`, value: ratioOf(cost, least, ({ us }) => us), ...ratio },
      { what: `CPU of a claim ${beside}`, value: ratioOf(cost, least, ({ cpuUs }) => cpuUs), ...ratio },
      {
        what: `Redis for each of ${jobs} jobs`,
        value: bytesPerJob,
        unit: 'bytes',
        bound: 'at most',
        limit: MOST_BYTES,
      },
    ];
  });
}
