import { startRedisServer } from '@comfy-fleet/testing';
import type { Goal } from '../../lib/report.js';
import type { Scope } from '../../lib/scope.js';
import { type MeasureOptions, runMeasurement } from '../measurement.js';
import { findCores, keepTo } from './api-stack.js';
import { hostileGoals, hostileTable, measureHostile } from './hostile.js';
import { measureWaiting, waitingGoals, waitingTable } from './long-queue.js';
import {
  measureSockets,
  measureStreams,
  socketsGoals,
  socketsTable,
  streamsGoals,
  streamsTable,
} from './open-connections.js';
import { measureCompat, measureRatios, ratioGoals, ratioTable } from './throughput.js';
import { measureWebhooks, webhooksGoals, webhooksTable } from './webhooks.js';

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

export interface ApiBench extends MeasureOptions {
  /** Of the API, alone on it. */
  readonly core: string | undefined;
}

/** How much of everything: about five minutes, or one. Short rounds: other guests of a machine come and go within seconds. */
const FULL = { hostile: 3, rounds: 12, seconds: 2, jobs: 100_000, turns: 15, streams: 1000 };
const QUICK = { hostile: 2, rounds: 2, seconds: 2, jobs: 10_000, turns: 3, streams: 1000 };

/** Everything that is measured with the API alone on a core. Prints tables and answers the goals. */
export async function measureApi(scope: Scope, { quick, core, print }: ApiBench): Promise<Goal[]> {
  const { hostile, rounds, seconds, jobs, turns, streams } = quick ? QUICK : FULL;
  const onProgress = (text: string) => print(`measuring ${text}`);
  const taken = { core, rounds, seconds, onProgress };
  const ratios = [...(await measureRatios(scope, taken)), await measureCompat(scope, taken)];
  for (const ratio of ratios) print(ratioTable(ratio));
  const waiting = await measureWaiting(scope, { core, jobs, turns, onProgress });
  print(waitingTable(waiting));
  onProgress(`${streams} event streams`);
  const streaming = await measureStreams(scope, { core, streams });
  print(streamsTable(streaming));
  onProgress(`${streams} sockets`);
  const listening = await measureSockets(scope, { core, sockets: streams });
  print(socketsTable(listening));
  onProgress('attacks that are made to stop the API');
  const attacked = await measureHostile(scope, { core, rounds: hostile });
  print(hostileTable(attacked));
  return [
    ...ratioGoals(ratios),
    ...waitingGoals(waiting),
    ...streamsGoals(streaming),
    ...socketsGoals(listening),
    ...hostileGoals(attacked),
  ];
}
