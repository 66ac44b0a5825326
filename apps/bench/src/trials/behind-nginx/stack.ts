import { randomBytes } from 'node:crypto';
import { freePort } from '@comfy-fleet/testing';
import { apiKeyOf, keyEntry } from '../../lib/api-keys.js';
import type { Scope } from '../../lib/scope.js';
import { type Caller, keysFile } from '../orders/callers.js';
import { startTrialStack, type TrialStack, type TrialStackOptions } from '../stack/stack.js';
import { type Nginx, startNginx } from './nginx.js';
import { BALANCED, NAMES } from './settings.js';

/** Everything that runs, behind nginx. */
export interface BalancedStack extends TrialStack {
  readonly nginx: Nginx;
  /** Of somebody who may look at the fleet and order it about. */
  readonly operatorKey: string;
  /** Where the processes that have metrics serve them, `127.0.0.1:3003`, by the name of the app. */
  readonly metrics: ReadonlyMap<string, readonly string[]>;
}

/** Starts the simulators, the apis, the workers, the dispatchers and nginx; all they write is under `dir`. */
export async function startBalancedStack(
  scope: Scope,
  {
    dir,
    redis,
    callers,
    before,
  }: Pick<TrialStackOptions, 'dir' | 'redis' | 'before'> & { readonly callers: readonly Caller[] },
): Promise<BalancedStack> {
  const operatorKey = apiKeyOf(randomBytes(32));
  const stack = await startTrialStack(scope, {
    dir,
    names: NAMES,
    redis,
    keys: [...keysFile(callers).keys, keyEntry({ id: 'operator', key: operatorKey, scopes: ['admin'] })],
    env: { HOUSEKEEPING_SECONDS: `${BALANCED.housekeepingSeconds}`, UNREADY_SECONDS: `${BALANCED.unreadySeconds}` },
    simulator: BALANCED,
    upPath: '/readyz',
    before,
  });
  const apis = NAMES.apis.map((name) => ({ name, port: Number(new URL(stack.urlOf(name)).port) }));
  const nginx = await startNginx({ dir, port: await freePort(), statusPort: await freePort(), apis });
  scope.onClose(() => nginx.close());
  const metricsOf = (names: readonly string[]) => names.map((name) => new URL(stack.healthUrlOf(name)).host);
  return {
    ...stack,
    apiUrl: nginx.url,
    nginx,
    operatorKey,
    metrics: new Map([
      ['api', metricsOf(NAMES.apis)],
      ['worker', metricsOf(NAMES.workers)],
      ['dispatcher', metricsOf(NAMES.dispatchers)],
    ]),
  };
}
