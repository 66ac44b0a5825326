import { randomBytes } from 'node:crypto';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, type RedisServer, startRedisServer } from '@comfy-fleet/testing';
import { apiKeyOf, keyEntry } from '../../lib/api-keys.js';
import type { Scope } from '../../lib/scope.js';
import { WORKFLOWS_DIR } from '../../local.js';
import { keysFile } from '../orders/plan-orders.js';
import { publishWorkflows } from '../orders/workflow-orders.js';
import { startTrialStack, type TrialRedis, type TrialStack, WHOLE_FILE } from '../stack/stack.js';
import { TrialProcess } from '../stack/trial-process.js';
import type { Plan } from './plan.js';
import { CHAOS, NAMES, quickTimes, restartsFileIn, SMALL_CARD } from './settings.js';

/**
 * Starts all processes, including a Redis that can be killed. They write only under `dir`. Publishes the workflows of
 * the run.
 */
export async function startChaosStack(
  scope: Scope,
  dir: string,
  { callers, smallCards }: Pick<Plan, 'callers' | 'smallCards'>,
): Promise<TrialStack> {
  const redis = await startKillableRedis(scope);
  const workflowsDir = join(dir, 'workflows');
  await shortDeadlines(workflowsDir);
  const publisherKey = apiKeyOf(randomBytes(32));
  const stack = await startTrialStack(scope, {
    dir,
    names: NAMES,
    redis,
    keys: [...keysFile(callers).keys, keyEntry({ id: 'publisher', key: publisherKey, scopes: ['admin'] })],
    env: quickTimes({ workflowsDir, restartsFile: restartsFileIn(dir) }),
    simulator: CHAOS,
    simulatorSettings: (name) => (smallCards.includes(name) ? SMALL_CARD : {}),
    upPath: '/livez',
  });
  await publishWorkflows(stack.apiUrl, publisherKey);
  return stack;
}

async function startKillableRedis(scope: Scope): Promise<TrialRedis> {
  const port = await freePort();
  let server: RedisServer | undefined;
  scope.onClose(() => server?.close());
  const process = new TrialProcess('redis', async () => {
    if (server === undefined) server = await startRedisServer({ port, args: WHOLE_FILE });
    else await server.restart();
    const { pid, exited, stop } = server;
    return { service: { pid, exited, stop, output: '' }, ready: async () => {} };
  });
  scope.onClose(() => process.close());
  await process.start();
  const { url, dir } = server as unknown as RedisServer;
  return { env: { REDIS_URL: url }, dir, process };
}

/** Copies the project's workflows, with deadlines that end a hung prompt within the run. */
async function shortDeadlines(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  await cp(WORKFLOWS_DIR, dir, { recursive: true });
  const file = join(dir, 'lod-profiles.json');
  const profiles = await readFile(file, 'utf8');
  await writeFile(
    file,
    profiles.replaceAll(/"deadline_seconds": \d+/g, `"deadline_seconds": ${CHAOS.deadlineSeconds}`),
  );
}
