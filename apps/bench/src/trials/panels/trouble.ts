import { setTimeout as delay } from 'node:timers/promises';
import { ask } from '../../lib/http.js';
import { operatorOf } from '../behind-nginx/operator.js';
import { NAMES } from '../behind-nginx/settings.js';
import type { BalancedStack } from '../behind-nginx/stack.js';
import type { Caller } from '../orders/callers.js';

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
export async function trouble(stack: BalancedStack, { key }: Caller): Promise<void> {
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
