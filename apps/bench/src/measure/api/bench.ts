import { startRedisServer } from '@comfy-fleet/testing';
import type { Scope } from '../../lib/scope.js';
import type { Goal } from '../goals.js';
import { type MeasureOptions, runMeasurement } from '../measurement.js';
import { findCores, keepTo } from './cores.js';
import { measureApi } from './measure.js';
import { measureWebhooks } from './measure-webhooks.js';
import { webhooksGoals, webhooksTable } from './report.js';

const USAGE = `npm run bench:api -- [--quick] [--no-goals]
  --quick     less of everything: to see that it works, not to compare numbers
  --no-goals  exit code 0 even when a goal is missed`;

/** How the API answers, and how soon webhooks come. */
export function benchApi(args: readonly string[], signal: AbortSignal): Promise<number> {
  return runMeasurement({ usage: USAGE, measure }, args, signal);
}

async function measure(scope: Scope, options: MeasureOptions): Promise<Goal[]> {
  const { print } = options;
  const delivered = await webhooks(scope, options);
  const cores = await findCores();
  if (cores === undefined) print('There is no taskset here, or one core only: the processes share what there is.');
  else {
    print(`from here on the API has core ${cores.api}, the load generator and Redis have core ${cores.others}`);
    await keepTo(cores.others, process.pid);
  }
  return [...(await measureApi(scope, { ...options, core: cores?.api })), ...delivered];
}

/** With the whole machine: a stack is more processes than there are cores. */
function webhooks(all: Scope, { quick, print }: MeasureOptions): Promise<Goal[]> {
  print('measuring the way of webhooks');
  return all.inner(async (scope) => {
    const redis = await startRedisServer();
    scope.onClose(() => redis.close());
    const ms = await measureWebhooks(scope, { redisUrl: redis.url, count: quick ? 20 : 100 });
    print(webhooksTable(ms));
    return webhooksGoals(ms);
  });
}
