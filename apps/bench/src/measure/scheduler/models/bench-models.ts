import { startRedisServer } from '@comfy-fleet/testing';
import type { Goal } from '../../../lib/report.js';
import type { Scope } from '../../../lib/scope.js';
import { measureBothRules, measureLoneModel } from './measure-models.js';
import {
  loadsGoals,
  loadsTable,
  loneModelGoals,
  loneModelTable,
  type ModelLimits,
  oracleGoals,
  waitsGoals,
  waitsTable,
} from './report.js';
import { floodScenario, type ModelScenario, type ModelSizes, modelScenarios } from './scenarios.js';

export interface ModelsBench {
  readonly sizes: ModelSizes;
  readonly onProgress: (text: string) => void;
  readonly print: (text: string) => void;
}

/** The default of MODEL_PATIENCE_SECONDS. */
const PATIENCE_SECONDS = 30;
/** A flood is over within the default: the lone job is to come although the flood goes on. */
const LONE_PATIENCE_SECONDS = 3;
const LONE_TRIES = 3;
/** FIFO loads for most jobs here, and the service could do with a load or two for each file. */
const LIMITS: ModelLimits = { loads: 0.25, makespan: 0.6 };

/** Whether models stay where they are: real processes, and simulated GPUs that take their time for loading. */
export function benchModels(all: Scope, { sizes, onProgress, print }: ModelsBench): Promise<Goal[]> {
  return all.inner(async (scope) => {
    const redis = await startRedisServer();
    scope.onClose(() => redis.close());
    const own = { redisUrl: redis.url };
    const both = (scenario: ModelScenario) => {
      onProgress(`models: ${scenario.what}`);
      return measureBothRules(scope, { ...own, scenario, patienceSeconds: PATIENCE_SECONDS });
    };
    const { shuffled, slow, quick, ...others } = modelScenarios(sizes);
    const goals: Goal[] = [];
    const report = (table: string, met: readonly Goal[]) => {
      print(table);
      goals.push(...met);
    };
    const measured = await both(shuffled);
    report(loadsTable(measured), oracleGoals(measured));
    for (const arriving of [slow, quick]) {
      const steady = await both(arriving);
      report(waitsTable(steady), waitsGoals(steady));
    }
    const scenario = floodScenario(sizes.flood);
    onProgress(`models: ${scenario.what}`);
    const lone = (patienceSeconds: number) =>
      measureLoneModel(scope, { ...own, scenario, patienceSeconds, tries: LONE_TRIES });
    const kept = await lone(LONE_PATIENCE_SECONDS);
    report(loneModelTable(kept, await lone(0)), loneModelGoals(kept));
    for (const other of Object.values(others)) {
      const rules = await both(other);
      report(loadsTable(rules), loadsGoals(rules, LIMITS));
    }
    return goals;
  });
}
