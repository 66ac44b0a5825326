import { setTimeout as delay } from 'node:timers/promises';
import { freePort, startRedisServer } from '@comfy-fleet/testing';
import { startBalancedStack } from '../behind-nginx/stack.js';
import type { Caller } from '../orders/callers.js';
import { makePictures } from '../orders/pictures.js';
import { busyOrders } from '../orders/plain-orders.js';
import { startCrowd } from '../people/crowd.js';
import { startReceiver } from '../people/receiver.js';
import type { PhaseOptions, PhaseReport } from '../phase.js';
import { readDashboard } from './dashboard.js';
import { type JudgedPanel, judgePanel, panelTable } from './panel-values.js';
import { startPrometheus } from './prometheus.js';
import { trouble } from './trouble.js';

export interface PanelsOptions extends PhaseOptions {
  /** How long there is load before Prometheus is asked. */
  readonly seconds: number;
  /** Posted one after the other; as many again come at once at the beginning, so that some have to wait. */
  readonly jobs: number;
}

/** So that there is something to be used up. */
const MAXMEMORY = ['--maxmemory', '1gb'];

/** Asks Prometheus each query of the dashboard while the fleet works, waits, fails and is put in order again. */
export async function runPanels({ seed, dir, scope, say, seconds, jobs }: PanelsOptions): Promise<PhaseReport> {
  const { orders, callers } = busyOrders(seed, jobs, (seconds * 1000) / jobs);
  const receiver = await startReceiver(orders, () => {});
  scope.onClose(() => receiver.close());
  const redis = await startRedisServer({ args: MAXMEMORY });
  scope.onClose(() => redis.close());
  const stack = await startBalancedStack(scope, {
    dir,
    redis: { env: { REDIS_URL: redis.url }, dir: redis.dir },
    callers,
  });
  const prometheus = await startPrometheus({ dir, port: await freePort(), targets: stack.metrics });
  scope.onClose(() => prometheus.close());
  const startedAt = Date.now();
  say(`${seconds} s of load`);
  const pictures = await makePictures(seed);
  const crowd = startCrowd({ apiUrl: stack.apiUrl, receiverUrl: receiver.url, pictures, orders, callers });
  await Promise.all([delay(seconds * 1000), trouble(stack, callers[0] as Caller)]);
  const panels: JudgedPanel[] = [];
  for (const panel of await readDashboard()) {
    const series = await prometheus.query(panel.expr, (Date.now() - startedAt) / 1000);
    panels.push({ ...panel, ...judgePanel(panel, series) });
  }
  await crowd.leave();
  const breaches = panels.flatMap(({ title, expr, faults }) =>
    faults.map((fault) => ({ check: 'panels', what: `"${title}" ${fault}`, story: [expr] })),
  );
  return { tables: [panelTable(panels)], breaches };
}
