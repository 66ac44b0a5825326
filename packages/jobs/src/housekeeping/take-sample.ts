import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { AlertFacts } from '../alerts/rule.js';
import { judge, keepJudgement, readJudgement } from '../alerts/standing.js';
import { readFigures } from '../figures/figures.js';
import { keepSample, readSamples } from '../history/history.js';
import { sampleOf } from '../history/sample.js';
import { forgetInstances } from '../history/timeline.js';
import type { Keys } from '../keys.js';

/** What Redis does not know. */
export interface Surroundings extends Pick<AlertFacts, 'freeBytes' | 'replicasWanted'> {
  /** From one sample to the next. */
  readonly stepSeconds: number;
}

/** One more sample, and what the alerts are by it. Done by two at once there are two samples, which does no harm. */
export async function takeSample(redis: Redis, keys: Keys, surroundings: Surroundings): Promise<void> {
  const { stepSeconds, ...known } = surroundings;
  const [at, figures, before, samples] = await Promise.all([
    redisTime(redis),
    readFigures(redis, keys),
    readJudgement(redis, keys),
    readSamples(redis, keys),
  ]);
  await forgetInstances(redis, keys, at);
  const sample = sampleOf(figures, at, stepSeconds);
  await keepSample(redis, keys, sample, stepSeconds);
  await keepJudgement(redis, keys, judge({ figures, samples: [sample, ...samples], ...known }, before, at));
}
