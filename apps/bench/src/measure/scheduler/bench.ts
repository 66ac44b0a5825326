import { startRedisServer } from '@comfy-fleet/testing';
import type { Goal } from '../../lib/report.js';
import { redisCommand } from '../../lib/resource-usage.js';
import type { Scope } from '../../lib/scope.js';
import { type MeasureOptions, runMeasurement } from '../measurement.js';
import { costGoals, costTable, measureCost } from './claim-cost.js';
import { type Lone, loneGoals, loneTable, measureLone } from './lone-job.js';
import { measureFetches } from './models/fetches.js';
import { measureModels } from './models/models.js';
import { crowdScenario, pairScenarios } from './scenarios.js';
import { crowdGoals, crowdTable, measureShares, type Shares, sharesGoals, sharesTable } from './shares.js';

const USAGE = `npm run bench:scheduler -- [--section NAME] [--quick] [--no-goals]
  --section   measures only loads (of models), models (that hosts fetch), shares (of API keys), or cost (of claims)
  --quick     measures less, and no million of jobs, to check that the benchmark works, not to compare numbers
  --no-goals  exits with 0 even if a goal is missed`;

const SECTIONS = ['loads', 'models', 'shares', 'cost'] as const;

/** How much is measured, in about twenty minutes or seven. */
const FULL = {
  models: { shuffled: 400, slow: 120, quick: 200, flood: 240, popular: 400, loras: 240, held: 180 },
  fetches: { jobs: 100, loras: 20, room: 5, promptMs: 2000, fetchMs: 6000 },
  pairs: { claims: 400, many: 10_000 },
  crowd: { keys: 200, msEach: 24_000 },
  lone: { jobs: 5000, tries: 20 },
  cost: { jobs: [1000, 100_000, 1_000_000], keys: 1000, rounds: 15, claims: 200 },
};
const QUICK: typeof FULL = {
  models: { shuffled: 100, slow: 40, quick: 60, flood: 80, popular: 120, loras: 60, held: 60 },
  fetches: { jobs: 100, loras: 20, room: 5, promptMs: 1000, fetchMs: 3000 },
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
  return runMeasurement({ usage: USAGE, sections: SECTIONS, measure }, args, signal);
}

async function measure(scope: Scope, { quick, section, print }: MeasureOptions): Promise<Goal[]> {
  const { cost, models: sizes, fetches, ...size } = quick ? QUICK : FULL;
  const onProgress = (text: string) => print(`measuring ${text}`);
  const measures: Record<(typeof SECTIONS)[number], (inner: Scope) => Promise<Goal[]>> = {
    loads: (inner) => measureModels(inner, { sizes, onProgress, print }),
    models: (inner) => measureFetches(inner, { sizes: fetches, onProgress, print }),
    shares: (inner) => measureSharing(inner, size, { onProgress, print }),
    cost: async (inner) => {
      const costs = await measureCost(inner, { ...cost, prefix: PREFIX, onProgress });
      print(costTable(costs));
      return costGoals(costs);
    },
  };
  const goals: Goal[] = [];
  for (const name of SECTIONS) {
    if (section === undefined || section === name) goals.push(...(await scope.inner(measures[name])));
  }
  return goals;
}

/** Uses simulated GPUs with a simulated clock. */
async function measureSharing(
  scope: Scope,
  { pairs, crowd, lone }: Omit<typeof FULL, 'cost' | 'models' | 'fetches'>,
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
