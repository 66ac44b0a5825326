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
  /** How long the load lasts before Prometheus is queried. */
  readonly seconds: number;
  /**
   * How many jobs are posted one after the other. As many are posted at once at the start, so that some have to wait.
   */
  readonly jobs: number;
}

/** A limit, so that its panels have data. */
const MAXMEMORY = ['--maxmemory', '1gb'];

/** Runs every query of the dashboard while the fleet works, waits, fails and recovers. */
export async function runPanels({ seed, dir, scope, print, seconds, jobs }: PanelsOptions): Promise<PhaseReport> {
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
  print(`${seconds} s of load`);
  const pictures = await makePictures(seed);
  const crowd = startCrowd({ apiUrl: stack.apiUrl, receiverUrl: receiver.url, pictures, orders, callers });
  await Promise.all([delay(seconds * 1000), causeTrouble(stack, callers[0] as Caller)]);
  const panels: JudgedPanel[] = [];
  for (const panel of await readDashboard()) {
    const series = await prometheus.query(panel.expr, (Date.now() - startedAt) / 1000);
    panels.push({ ...panel, ...judgePanel(panel, series) });
  }
  await crowd.leave();
  const breaches = panels.flatMap(({ title, expr, faults }) =>
    faults.map((fault) => ({ check: 'panels', what: `"${title}" ${fault}`, timeline: [expr] })),
  );
  return { tables: [panelTable(panels)], breaches };
}

/**
 * Faults of the simulators. They are repeated because a new counter starts with its first value, and so does not rise.
 */
const FAULTS = ['node_error', 'reset_before_accepting', 'node_error', 'reset_before_accepting'] as const;
const ROUNDS = 3;
const BETWEEN_MS = 1500;
/** Long enough for its worker to consider the instance down. */
const DOWN_MS = 4000;

/**
 * Causes everything that a dashboard should show: invalid requests, jobs that expire, failing executions, reset
 * connections, a dead instance and a drained one. Resolves when all is well again.
 */
async function causeTrouble(stack: BalancedStack, { key }: Caller): Promise<void> {
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
