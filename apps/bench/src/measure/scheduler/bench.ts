import { startRedisServer } from '@comfy-fleet/testing';
import type { Goal } from '../../lib/report.js';
import { redisCommand } from '../../lib/resource-usage.js';
import type { Scope } from '../../lib/scope.js';
import { type MeasureOptions, runMeasurement } from '../measurement.js';
import { measureCost } from './measure-cost.js';
import { type Lone, measureLone } from './measure-lone.js';
import { measureShares, type Shares } from './measure-shares.js';
import { benchModels } from './models/bench-models.js';
import {
  costGoals,
  costTable,
  crowdGoals,
  crowdTable,
  loneGoals,
  loneTable,
  sharesGoals,
  sharesTable,
} from './report.js';
import { crowdScenario, pairScenarios } from './scenarios.js';

const USAGE = `npm run bench:scheduler -- [--quick] [--no-goals]
  --quick     less of everything, and no million of jobs: to see that it works, not to compare numbers
  --no-goals  exit code 0 even when a goal is missed`;

/** How much of everything: about fifteen minutes, or four. */
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
/** As long as in production: it is a part of what a waiting job takes. */
const PREFIX = '{comfy-fleet}';
const FLOODING_KEYS = [1, 50];

/** Whether models stay where they are, GPU time is shared as the weights say, and what a claim costs. */
export function benchScheduler(args: readonly string[], signal: AbortSignal): Promise<number> {
  return runMeasurement({ usage: USAGE, measure }, args, signal);
}

async function measure(scope: Scope, { quick, print }: MeasureOptions): Promise<Goal[]> {
  const { cost, models, ...size } = quick ? QUICK : FULL;
  const onProgress = (text: string) => print(`measuring ${text}`);
  const kept = await benchModels(scope, { sizes: models, onProgress, print });
  const shared = await scope.inner((inner) => shares(inner, size, { onProgress, print }));
  const costs = await measureCost(scope, { ...cost, prefix: PREFIX, onProgress });
  print(costTable(costs));
  return [...kept, ...shared, ...costGoals(costs)];
}

/** With simulated GPUs and a clock of their own. */
async function shares(
  scope: Scope,
  { pairs, crowd, lone }: Omit<typeof FULL, 'cost' | 'models'>,
  { onProgress, print }: { readonly onProgress: (text: string) => void; readonly print: (text: string) => void },
): Promise<Goal[]> {
  const { url, close } = await startRedisServer();
  scope.onClose(close);
  await redisCommand(url, 'CONFIG SET appendfsync everysec');
  let measured = 0;
  const own = () => ({ url, prefix: `{bench-${++measured}}` });
  const between: Shares[] = [];
  for (const scenario of pairScenarios(pairs)) {
    onProgress(`shares: ${scenario.what}`);
    between.push(await measureShares(scope, { ...own(), scenario }));
  }
  print(sharesTable(between));
  onProgress(`shares: ${crowd.keys} keys`);
  const among = await measureShares(scope, { ...own(), scenario: crowdScenario(crowd.keys, crowd.msEach) });
  print(crowdTable(among));
  onProgress('the only job of a key');
  const alone: Lone[] = [];
  for (const keys of FLOODING_KEYS) alone.push(await measureLone(scope, { ...own(), ...lone, keys }));
  print(loneTable(alone));
  return [...sharesGoals(between), ...crowdGoals(among), ...loneGoals(alone)];
}
