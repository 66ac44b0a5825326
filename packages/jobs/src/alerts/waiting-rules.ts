import { LODS, type Lod } from '@comfy-fleet/contracts';
import { type KeyShare, topShares } from '../scheduling/shares.js';
import { type AlertFacts, type AlertRule, endedWithin, HOUR, MINUTE, whole } from './rule.js';

/** How long a job of each level of detail may wait, and how long the oldest job of a key may wait. */
export const PROMISED_SECONDS: Readonly<Record<Lod, number>> = {
  sketch: 60,
  mid: 300,
  final: 1800,
  direct_final: 1800,
};
export const PROMISED_KEY_SECONDS = 3600;

/** How many keys are judged; the metrics show as many. */
const MOST_KEYS = 20;

const EXPIRED_WITHIN_SECONDS = 15 * MINUTE;
/**
 * A key gets too little if it gets less than this part of its share while its jobs wait for this long. If it asked for
 * less than its share, no jobs would wait.
 */
const LEAST_SHARE = 0.5;
const SHARE_WAIT_SECONDS = 600;

/** Alerts about waiting jobs. */
export const WAITING_RULES: readonly AlertRule[] = [
  {
    name: 'QueueOlderThanPromised',
    severity: 'warning',
    holdSeconds: 2 * MINUTE,
    summary: '{lod} jobs of pool {pool} wait longer than promised',
    description: 'The oldest waiting {lod} job of pool {pool} is older than promised.',
    findSubjects: ({ figures }) =>
      figures.pools.flatMap(({ pool, lods: lanes }) =>
        lanes.filter(({ lod, oldestMs }) => oldestMs / 1000 > PROMISED_SECONDS[lod]).map(({ lod }) => ({ pool, lod })),
      ),
  },
  {
    name: 'PoolDownWhileJobsWait',
    severity: 'critical',
    holdSeconds: 10 * MINUTE,
    summary: 'Pool {pool} has jobs but no working instance',
    description: 'Jobs wait in pool {pool}, and no ComfyUI instance of it has been up for 10 minutes.',
    findSubjects: ({ figures }) =>
      figures.pools
        .filter(({ lods: lanes, instances }) => instances === 0 && lanes.some(({ waiting }) => waiting > 0))
        .map(({ pool }) => ({ pool })),
  },
  {
    name: 'JobsExpire',
    severity: 'warning',
    holdSeconds: 0,
    summary: '{lod} jobs expire before they start',
    description: 'The start deadline of {lod} jobs passed within the last 15 minutes while they waited.',
    findSubjects: ({ samples }) =>
      LODS.filter((lod) => endedWithin(samples, EXPIRED_WITHIN_SECONDS, 'expired', lod) > 0).map((lod) => ({ lod })),
  },
  {
    name: 'KeyWaitsLongerThanPromised',
    severity: 'warning',
    holdSeconds: 2 * MINUTE,
    summary: 'A job of key {key} waits longer than promised',
    description: 'The oldest waiting job of key {key} is older than promised.',
    findSubjects: (facts) =>
      sharesUnlessPaused(facts)
        .filter(({ oldestTurnMs }) => oldestTurnMs / 1000 > PROMISED_KEY_SECONDS)
        .map(({ key }) => ({ key })),
  },
  {
    name: 'KeyBelowItsShare',
    severity: 'warning',
    holdSeconds: 30 * MINUTE,
    summary: 'Key {key} gets less than half of its share of the GPUs',
    description:
      'Key {key} got less than half of its fair share of the GPU time of the last hour, and has had jobs waiting for 30 minutes.',
    findSubjects: (facts) =>
      sharesUnlessPaused(facts)
        .filter(({ oldestTurnMs }) => oldestTurnMs / 1000 > SHARE_WAIT_SECONDS)
        // If no GPU worked, shares say nothing.
        .filter(({ shareHour, fairShare }) => gpusWorked(facts) && fairShare > 0 && shareHour / fairShare < LEAST_SHARE)
        .map(({ key }) => ({ key })),
  },
  {
    name: 'FleetPausedAndForgotten',
    severity: 'warning',
    holdSeconds: HOUR,
    summary: 'The fleet has been paused for an hour',
    description: 'Jobs are accepted but none are started.',
    findSubjects: ({ figures }) => whole(figures.halts.fleet !== undefined),
  },
  {
    name: 'PoolPausedAndForgotten',
    severity: 'warning',
    holdSeconds: HOUR,
    summary: 'Pool {pool} has been paused for an hour',
    description: 'Jobs of pool {pool} are accepted but none are started.',
    findSubjects: ({ figures }) =>
      figures.halts.fleet !== undefined
        ? []
        : figures.pools.filter(({ paused }) => paused).map(({ pool }) => ({ pool })),
  },
];

function gpusWorked({ figures }: AlertFacts): boolean {
  return figures.shares.some(({ gpuMsHour }) => gpuMsHour > 0);
}

function sharesUnlessPaused({ figures: { shares, halts } }: AlertFacts): KeyShare[] {
  return halts.fleet === undefined ? topShares(shares, MOST_KEYS) : [];
}
