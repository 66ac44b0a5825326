import { emptyImageWorkflows } from '../../lib/empty-image.js';
import type { Scope } from '../../lib/scope.js';
import type { Goal } from '../goals.js';
import type { MeasureOptions } from '../measurement.js';
import { measureFinish } from './measure-finish.js';
import { measureMany } from './measure-many.js';
import { measureThroughput } from './measure-throughput.js';
import {
  FIXED_COST_MS,
  finishGoals,
  finishTable,
  manyGoals,
  manyTable,
  throughputGoals,
  throughputTable,
} from './report.js';

export interface SimulatedBench extends MeasureOptions {
  readonly redisUrl: string;
}

/** How much of everything: about four minutes, or one. */
const FULL = { loads: [300, 50, 30, 8], rounds: 3, polled: 4, finishes: 30, each: 8 };
const QUICK = { loads: [150, 20, 8, 3], rounds: 1, polled: 2, finishes: 8, each: 3 };

/** Everything that is measured on simulated GPUs. Prints tables and answers the goals. */
export function benchSimulated(all: Scope, { quick, redisUrl, print }: SimulatedBench): Promise<Goal[]> {
  const { loads, rounds, polled, finishes, each } = quick ? QUICK : FULL;
  const [none = 0, short = 0, medium = 0, long = 0] = loads;
  const onProgress = (text: string) => print(`measuring ${text}`);
  return all.inner(async (scope) => {
    const workflowsDir = await emptyImageWorkflows(scope);
    const rows = [];
    for (const gpus of [1, 4]) {
      const measured = await measureThroughput(scope, {
        gpus,
        loads: [
          { promptMs: FIXED_COST_MS, each: none, rounds },
          { promptMs: 50, each: short, rounds },
          { promptMs: 200, each: medium, rounds: 1 },
          { promptMs: 1000, each: long, rounds: 1 },
        ],
        polled: gpus === 1 ? polled : 0,
        redisUrl,
        workflowsDir,
        onProgress,
      });
      rows.push(...measured);
    }
    onProgress('the way from ComfyUI to succeeded');
    const finish = await measureFinish(scope, { count: finishes, redisUrl });
    onProgress('64 instances');
    const many = await measureMany(scope, { gpus: 64, promptMs: 1000, each, redisUrl, workflowsDir });
    print(throughputTable(rows));
    print(finishTable(finish));
    print(manyTable(many));
    return [...throughputGoals(rows), ...finishGoals(finish), ...manyGoals(many)];
  });
}
