import { LODS, type Lod } from '@comfy-fleet/contracts';
import { foremost } from '../scheduling/foremost.js';
import type { KeyShare } from '../scheduling/shares.js';
import { type AlertFacts, type AlertRule, HOUR, MINUTE, rule, whole } from './rule.js';
import { endedWithin } from './window.js';

/** How long a job of each level of detail may wait at most, and one of any: the same as in recording.yml. */
export const PROMISED_SECONDS: Readonly<Record<Lod, number>> = {
  sketch: 60,
  mid: 300,
  final: 1800,
  direct_final: 1800,
};
export const PROMISED_KEY_SECONDS = 3600;

/** Keys that are looked at, as of those that the metrics show. */
const MOST_KEYS = 20;

/** People wait. */
export const WAITING_RULES: readonly AlertRule[] = [
  rule({
    name: 'QueueOlderThanPromised',
    severity: 'warning',
    holdSeconds: 2 * MINUTE,
    summary: '{lod} jobs of pool {pool} wait longer than promised',
    of: ({ figures }) =>
      figures.pools.flatMap(({ pool, lanes }) =>
        lanes.filter(({ lod, oldestMs }) => oldestMs / 1000 > PROMISED_SECONDS[lod]).map(({ lod }) => ({ pool, lod })),
      ),
  }),
  rule({
    name: 'PoolDownWhileJobsWait',
    severity: 'critical',
    holdSeconds: 10 * MINUTE,
    summary: 'Pool {pool} has jobs and not one instance that works',
    of: ({ figures }) =>
      figures.pools
        .filter(({ lanes, instances }) => instances === 0 && lanes.some(({ waiting }) => waiting > 0))
        .map(({ pool }) => ({ pool })),
  }),
  rule({
    name: 'JobsExpire',
    severity: 'warning',
    summary: '{lod} jobs expire before they are begun',
    of: ({ samples }) =>
      LODS.filter((lod) => endedWithin(samples, 15 * MINUTE, 'expired', lod) > 0).map((lod) => ({ lod })),
  }),
  rule({
    name: 'KeyWaitsLongerThanPromised',
    severity: 'warning',
    holdSeconds: 2 * MINUTE,
    summary: 'A job of key {key} waits longer than any should',
    of: (facts) =>
      sharesUnlessPaused(facts)
        .filter(({ oldestTurnMs }) => oldestTurnMs / 1000 > PROMISED_KEY_SECONDS)
        .map(({ key }) => ({ key })),
  }),
  rule({
    name: 'KeyBelowItsShare',
    severity: 'warning',
    holdSeconds: 30 * MINUTE,
    limits: [0.5, 600],
    summary: 'Key {key} gets less than half of its share of the GPUs',
    of: (facts, [share, waitSeconds]) =>
      sharesUnlessPaused(facts)
        .filter(({ oldestTurnMs }) => oldestTurnMs / 1000 > waitSeconds)
        // In a pool in which no GPU worked nothing is fair.
        .filter(({ shareHour, fairShare }) => gpusWorked(facts) && fairShare > 0 && shareHour / fairShare < share)
        .map(({ key }) => ({ key })),
  }),
  rule({
    name: 'FleetPausedAndForgotten',
    severity: 'warning',
    holdSeconds: HOUR,
    summary: 'The fleet has been paused for an hour',
    of: ({ figures }) => whole(figures.halts.fleet !== undefined),
  }),
  rule({
    name: 'PoolPausedAndForgotten',
    severity: 'warning',
    holdSeconds: HOUR,
    summary: 'Pool {pool} has been paused for an hour',
    of: ({ figures }) =>
      figures.halts.fleet !== undefined
        ? []
        : figures.pools.filter(({ paused }) => paused).map(({ pool }) => ({ pool })),
  }),
];

function gpusWorked({ figures }: AlertFacts): boolean {
  return figures.shares.some(({ gpuMsHour }) => gpuMsHour > 0);
}

function sharesUnlessPaused({ figures: { shares, halts } }: AlertFacts): KeyShare[] {
  return halts.fleet === undefined ? foremost(shares, MOST_KEYS) : [];
}
