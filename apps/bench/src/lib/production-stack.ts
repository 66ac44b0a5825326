import { loadConfig, overridesEnv } from '@comfy-fleet/config';
import { startStack, type TestStack } from '@comfy-fleet/testing';
import type { Scope } from './scope.js';

export interface ProductionStackOptions {
  readonly redisUrl: string;
  readonly workflowsDir: string;
  /** More settings, for all of them. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The whole service as in production: startStack's quick times for tests are set back to the defaults. */
export async function startProductionStack(
  scope: Scope,
  { redisUrl, workflowsDir, env = {} }: ProductionStackOptions,
): Promise<TestStack> {
  const stack = await startStack({
    redisUrl,
    env: {
      NODE_ENV: 'production',
      LOG_LEVEL: 'warn',
      LOCK_MS: `${loadConfig({}).queue.lockMs}`,
      ...overridesEnv({}),
      WORKFLOWS_DIR: workflowsDir,
      ...env,
    },
  });
  scope.onClose(() => stack.close());
  await stack.startDispatcher();
  return stack;
}
