import { randomBytes } from 'node:crypto';
import type { FleetStatus } from '@comfy-fleet/contracts';
import { freePort, until } from '@comfy-fleet/testing';
import { apiKeyOf, keyEntry } from '../../lib/api-keys.js';
import { ask } from '../../lib/http.js';
import type { Scope } from '../../lib/scope.js';
import { CHAOS, type ChaosSettings } from '../chaos/settings.js';
import { type Caller, keysFile } from '../orders/plan-orders.js';
import { namesOf, startTrialStack, type TrialStack, type TrialStackOptions } from '../stack/stack.js';
import { type Nginx, startNginx } from './nginx.js';

/** How many of each there are, and what is set in them besides their addresses. All else is as the services have it by themselves. */
const BALANCED = {
  apis: 2,
  workers: 2,
  simulatorsPerWorker: 2,
  dispatchers: 2,
  stepMs: 25,
  modelLoadMs: 50,
  /** How long a stopping api goes on answering; whoever balances the load is to have turned away by then. */
  unreadySeconds: 2,
  housekeepingSeconds: 5,
} as const;

export const NAMES = namesOf(BALANCED);

/** What the checks have to know of the services: their defaults, as docs/settings.md has them. */
export const JUDGED: ChaosSettings = {
  ...CHAOS,
  workers: BALANCED.workers,
  simulatorsPerWorker: BALANCED.simulatorsPerWorker,
  dispatchers: BALANCED.dispatchers,
  stepMs: BALANCED.stepMs,
  modelLoadMs: BALANCED.modelLoadMs,
  lockMs: 10_000,
  stalledCheckMs: 5000,
  adoptWaitSeconds: 60,
  comfyTimeoutMs: 10_000,
  webhookTimeoutMs: 10_000,
  webhookRetryMs: 5000,
};

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

type Instance = FleetStatus['workers'][number]['instances'][number];

/** For what is under way in an instance to end. */
const DRAIN_MS = 30_000;

/** What somebody with the scope `admin` does, over HTTP. Rejects when it is refused. */
export interface Operator {
  /** How an instance stands; undefined while its worker is away. */
  instance(name: string): Promise<Instance | undefined>;
  /** Resolves when nothing of ours is left in it. */
  drain(name: string): Promise<void>;
  resume(name: string): Promise<void>;
}

export function operatorOf({ apiUrl, operatorKey: key }: Pick<BalancedStack, 'apiUrl' | 'operatorKey'>): Operator {
  const asked = async (method: string, path: string) => {
    const { status, body } = await ask(`${apiUrl}${path}`, { method, key });
    if (status !== 200) throw new Error(`${method} ${path} answers ${status}: ${JSON.stringify(body)}`);
    return body;
  };
  const instance = async (name: string) => {
    const { workers } = (await asked('GET', '/fleet')) as FleetStatus;
    return workers.flatMap(({ instances }) => instances).find((instance) => instance.name === name);
  };
  return {
    instance,
    drain: async (name) => {
      await asked('POST', `/admin/instances/${name}/drain`);
      const isDrained = async () => (await instance(name))?.drain?.state === 'drained';
      await until(`${name} is drained`, isDrained, { withinMs: DRAIN_MS, everyMs: 200 });
    },
    resume: async (name) => {
      await asked('POST', `/admin/instances/${name}/resume`);
    },
  };
}
