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

/** The numbers of processes and their settings. All other settings have their defaults. */
const BALANCED = {
  apis: 2,
  workers: 2,
  simulatorsPerWorker: 2,
  dispatchers: 2,
  stepMs: 25,
  modelLoadMs: 50,
  /** How long a stopping API continues to answer, so that the load balancer can stop using it. */
  unreadySeconds: 2,
  housekeepingSeconds: 5,
} as const;

export const NAMES = namesOf(BALANCED);

/** The settings that the checks need to know, among them defaults of the services. */
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

/** All processes, with nginx in front of the APIs. */
export interface BalancedStack extends TrialStack {
  readonly nginx: Nginx;
  /** A key with the scope `admin`. */
  readonly operatorKey: string;
  /** The addresses of metrics, such as `127.0.0.1:3003`, by app. */
  readonly metrics: ReadonlyMap<string, readonly string[]>;
}

/** Starts simulators, APIs, workers, dispatchers and nginx, which write only under `dir`. */
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

/** How long the jobs of an instance may take to end. */
const DRAIN_MS = 30_000;

/** Administrates the fleet over HTTP. Rejects if a request is refused. */
export interface Operator {
  /** The state of an instance; undefined while its worker is down. */
  instance(name: string): Promise<Instance | undefined>;
  /** Drains an instance. Resolves when it has no jobs left. */
  drain(name: string): Promise<void>;
  resume(name: string): Promise<void>;
}

export function operatorOf({ apiUrl, operatorKey: key }: Pick<BalancedStack, 'apiUrl' | 'operatorKey'>): Operator {
  const asked = async (method: string, path: string) => {
    const { status, body } = await ask(`${apiUrl}${path}`, { method, key });
    if (status !== 200) throw new Error(`${method} ${path} answered ${status}: ${JSON.stringify(body)}`);
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
