import type { FleetStatus } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { ask } from '../../lib/http.js';
import type { BalancedStack } from './stack.js';

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
