import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig, overridesEnv } from '@comfy-fleet/config';
import {
  followJournal,
  type JournalLine,
  onFreePort,
  ready,
  simulatorOn,
  startService,
  startStack,
  type TestStack,
} from '@comfy-fleet/testing';
import type { Scope } from './scope.js';

export interface ProductionStackOptions {
  readonly redisUrl: string;
  readonly workflowsDir: string;
  /** More settings for all processes. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the whole service with the settings of production instead of startStack's short times for tests. */
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

/** A simulated ComfyUI. */
export interface Gpu {
  readonly url: string;
  /** All lines so far. A call reads only new lines, so that it hardly disturbs the measurement. */
  journal(): readonly JournalLine[];
  /** Sets the minimum duration of prompts that start from now on. */
  pace(promptMs: number): Promise<void>;
  /** Makes the next prompt run until it is interrupted. */
  hang(): Promise<void>;
  /** Deletes the pictures. ComfyUI lists their folder whenever it saves one, so many pictures would slow it down. */
  clear(): Promise<void>;
}

const TIMEOUT_MS = 10_000;

/** Starts a simulator as a process. By default nothing takes time. */
export async function startGpu(scope: Scope, settings: Readonly<Record<string, unknown>> = {}): Promise<Gpu> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-bench-gpu-'));
  scope.onClose(() => rm(dir, { recursive: true, force: true }));
  const journal = join(dir, `${randomUUID()}.jsonl`);
  // ComfyUI's default
  const own = { step_ms: 0, model_load_ms: 0, preview_method: 'none', journal, ...settings };
  const url = await onFreePort(async (port) => {
    const start = simulatorOn(port, dir, own);
    const service = startService(start.app, { NODE_ENV: 'production', LOG_LEVEL: 'warn', ...start.env });
    scope.onClose(() => service.stop());
    await ready(service, `${start.url}/system_stats`);
    return start.url;
  });
  const control = async (method: 'PATCH' | 'POST', path: string, body: object) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const answer = await fetch(`${url}/simulator/${path}`, { method, body: JSON.stringify(body), signal });
    if (!answer.ok) throw new Error(`the simulator answered ${answer.status}: ${await answer.text()}`);
  };
  return {
    url,
    journal: followJournal(journal),
    pace: (promptMs) => control('PATCH', 'settings', { prompt_ms: promptMs }),
    hang: () => control('POST', 'faults', { kind: 'hang', times: 1 }),
    clear: async () => {
      const output = join(dir, 'output');
      for (const file of await readdir(output)) await rm(join(output, file));
    },
  };
}
