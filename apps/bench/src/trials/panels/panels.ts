import { setTimeout as delay } from 'node:timers/promises';
import { freePort, startRedisServer } from '@comfy-fleet/testing';
import { ask } from '../../lib/http.js';
import { type BalancedStack, NAMES, operatorOf, startBalancedStack } from '../behind-nginx/stack.js';
import { busyOrders } from '../orders/plain-orders.js';
import { type Caller, makePictures } from '../orders/plan-orders.js';
import { startCrowd } from '../people/crowd.js';
import { startReceiver } from '../people/receiver.js';
import type { PhaseOptions, PhaseReport } from '../trial.js';
import { type JudgedPanel, judgePanel, panelTable, readDashboard } from './dashboard.js';
import { startPrometheus } from './prometheus.js';

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

/** What simulators are made to do, one after the other, and how often: a counter that was not there before does not rise. */
const FAULTS = ['node_error', 'reset_before_accepting', 'node_error', 'reset_before_accepting'] as const;
const ROUNDS = 3;
const BETWEEN_MS = 1500;
/** Long enough for its worker to take it for down. */
const DOWN_MS = 4000;

/**
 * Lets some of everything go wrong that a dashboard is to show: requests that make no sense, jobs that wait for too long,
 * executions that fail, submissions that are cut off, an instance that dies, another that is drained. It ends when all is
 * as it was.
 */
async function trouble(stack: BalancedStack, { key }: Caller): Promise<void> {
  const operator = operatorOf(stack);
  const [dying = '', drained = ''] = NAMES.simulators;
  const post = (path: string, body: object) => ask(`${stack.apiUrl}${path}`, { method: 'POST', key, body });
  for (const [n, kind] of Array(ROUNDS).fill(FAULTS).flat().entries()) {
    await ask(`${stack.urlOf(NAMES.simulators[n % FAULTS.length] ?? dying)}/simulator/faults`, {
      method: 'POST',
      body: { kind, times: 1 },
    });
    await post('/generate', { prompt: '' });
    await ask(`${stack.apiUrl}/jobs/nobody`, { method: 'GET', key });
    await post('/generate', { prompt: 'in vain', lod: 'sketch', priority: -2, start_within_seconds: 1 });
    await delay(BETWEEN_MS);
  }
  await stack.named(dying).crash(DOWN_MS);
  await operator.drain(drained);
  await delay(BETWEEN_MS);
  await operator.resume(drained);
}
