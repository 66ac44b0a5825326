import type { Goal } from '../../lib/report.js';
import type { Scope } from '../../lib/scope.js';
import { type MeasureOptions, runMeasurement } from '../measurement.js';
import { findCores, keepTo } from './api-stack.js';
import { measureAttacks } from './hostile.js';
import { measureLongQueue } from './long-queue.js';
import { measureSockets, measureStreams } from './open-connections.js';
import { measureThroughput } from './throughput.js';
import { measureWebhooks } from './webhooks.js';

const USAGE = `npm run bench:api -- [--quick] [--no-goals]
  --quick     measures less, to check that the benchmark works, not to compare numbers
  --no-goals  exits with 0 even if a goal is missed`;

/** Measures the API, and how soon webhooks are delivered. */
export function benchApi(args: readonly string[], signal: AbortSignal): Promise<number> {
  return runMeasurement({ usage: USAGE, measure }, args, signal);
}

/**
 * How much is measured, in about five minutes or one. Rounds are short because other load on a machine comes and goes
 * within seconds.
 */
const FULL = { webhooks: 100, attacks: 3, rounds: 12, seconds: 2, jobs: 100_000, turns: 15, connections: 1000 };
const QUICK = { webhooks: 20, attacks: 2, rounds: 2, seconds: 2, jobs: 10_000, turns: 3, connections: 1000 };

async function measure(scope: Scope, { quick, print }: MeasureOptions): Promise<Goal[]> {
  const { webhooks, attacks, rounds, seconds, jobs, turns, connections } = quick ? QUICK : FULL;
  // Webhooks are measured with all cores, because a stack has more processes than a machine has cores.
  const delivered = await measureWebhooks(scope, { count: webhooks, print });
  const cores = await findCores();
  if (cores === undefined) print('This machine has no taskset or only one core, so all processes share all cores.');
  else {
    print(`from here on the API has core ${cores.api}, the load generator and Redis have core ${cores.others}`);
    await keepTo(cores.others, process.pid);
  }
  const options = { core: cores?.api, print };
  return [
    ...(await measureThroughput(scope, { ...options, rounds, seconds })),
    ...(await measureLongQueue(scope, { ...options, jobs, turns })),
    ...(await measureStreams(scope, { ...options, streams: connections })),
    ...(await measureSockets(scope, { ...options, sockets: connections })),
    ...(await measureAttacks(scope, { ...options, rounds: attacks })),
    ...delivered,
  ];
}
