import { startRedisServer } from '@comfy-fleet/testing';
import type { Goal } from '../../lib/report.js';
import { redisCommand } from '../../lib/resource-usage.js';
import type { Scope } from '../../lib/scope.js';
import { type MeasureOptions, runMeasurement } from '../measurement.js';
import { costGoals, costTable, measureCost } from './claim-cost.js';
import { type Lone, loneGoals, loneTable, measureLone } from './lone-job.js';
import { measureModels } from './models/models.js';
import { crowdScenario, pairScenarios } from './scenarios.js';
import { crowdGoals, crowdTable, measureShares, type Shares, sharesGoals, sharesTable } from './shares.js';

const USAGE = `npm run bench:scheduler -- [--quick] [--no-goals]
  --quick     measures less, and no million of jobs, to check that the benchmark works, not to compare numbers
  --no-goals  exits with 0 even if a goal is missed`;

/** How much is measured, in about fifteen minutes or four. */
const FULL = {
  models: { shuffled: 400, slow: 120, quick: 200, flood: 240, popular: 400, loras: 240, held: 180 },
  pairs: { claims: 400, many: 10_000 },
  crowd: { keys: 200, msEach: 24_000 },
  lone: { jobs: 5000, tries: 20 },
  cost: { jobs: [1000, 100_000, 1_000_000], keys: 1000, rounds: 15, claims: 200 },
};
const QUICK: typeof FULL = {
  models: { shuffled: 100, slow: 40, quick: 60, flood: 80, popular: 120, loras: 60, held: 60 },
  pairs: { claims: 100, many: 1000 },
  crowd: { keys: 50, msEach: 24_000 },
  lone: { jobs: 1000, tries: 5 },
  cost: { jobs: [1000, 100_000], keys: 1000, rounds: 5, claims: 200 },
};
/** As long as in production, because it is part of the memory of a waiting job. */
const PREFIX = '{comfy-fleet}';
const FLOODING_KEYS = [1, 50];

/** Measures how often models are loaded, how GPU time is shared, and what a claim costs. */
export function benchScheduler(args: readonly string[], signal: AbortSignal): Promise<number> {
  return runMeasurement({ usage: USAGE, measure }, args, signal);
}

async function measure(scope: Scope, { quick, print }: MeasureOptions): Promise<Goal[]> {
  const { cost, models, ...size } = quick ? QUICK : FULL;
  const onProgress = (text: string) => print(`measuring ${text}`);
  const loaded = await measureModels(scope, { sizes: models, onProgress, print });
  const shared = await scope.inner((inner) => measureSharing(inner, size, { onProgress, print }));
  const costs = await measureCost(scope, { ...cost, prefix: PREFIX, onProgress });
  print(costTable(costs));
  return [...loaded, ...shared, ...costGoals(costs)];
}

/** Uses simulated GPUs with a simulated clock. */
async function measureSharing(
  scope: Scope,
  { pairs, crowd, lone }: Omit<typeof FULL, 'cost' | 'models'>,
  { onProgress, print }: { readonly onProgress: (text: string) => void; readonly print: (text: string) => void },
): Promise<Goal[]> {
  const { url, close } = await startRedisServer();
  scope.onClose(close);
  await redisCommand(url, 'CONFIG SET appendfsync everysec');
  let prefixes = 0;
  const nextPrefix = () => ({ url, prefix: `{bench-${++prefixes}}` });
  const between: Shares[] = [];
  for (const scenario of pairScenarios(pairs)) {
    onProgress(`shares: ${scenario.what}`);
    between.push(await measureShares(scope, { ...nextPrefix(), scenario }));
  }
  print(sharesTable(between));
  onProgress(`shares: ${crowd.keys} keys`);
  const among = await measureShares(scope, { ...nextPrefix(), scenario: crowdScenario(crowd.keys, crowd.msEach) });
  print(crowdTable(among));
  onProgress('the only job of a key');
  const alone: Lone[] = [];
  for (const keys of FLOODING_KEYS) alone.push(await measureLone(scope, { ...nextPrefix(), ...lone, keys }));
  print(loneTable(alone));
  return [...sharesGoals(between), ...crowdGoals(among), ...loneGoals(alone)];
}
