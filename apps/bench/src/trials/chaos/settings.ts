import { join } from 'node:path';
import { overridesEnv } from '@comfy-fleet/config';
import { namesOf } from '../stack/stack.js';

/** What the run sets in the services, short enough that a death is over within seconds. Printed with the table. */
export const CHAOS = {
  workers: 3,
  simulatorsPerWorker: 2,
  dispatchers: 2,
  stepMs: 30,
  modelLoadMs: 50,
  lockMs: 1500,
  stalledCheckMs: 300,
  adoptWaitSeconds: 4,
  comfyTimeoutMs: 3000,
  webhookTimeoutMs: 2000,
  /** Before each further try of a webhook. More tries than a receiver ever fails, so that each callback arrives. */
  webhookRetryMs: 300,
  webhookRetries: 12,
  /** Longest execution, for every level of detail and every workflow: what ends a prompt that hangs. */
  deadlineSeconds: 8,
  /** How long an execution that hears no interrupt may go on. */
  interruptGraceSeconds: 2,
  maxAttempts: 3,
  maxInstanceDeaths: 2,
  maxWorkerDeaths: 10,
  /** On top of a step: how long a cancel's way from its answer to the GPU may take on a machine with more processes than cores. */
  cancelSlackMs: 400,
  /** How far the timestamp of a webhook may be from its coming, likewise. */
  timestampSlackMs: 5000,
  /** How long after the receiver's answer a dispatcher has written down what came of a try, likewise. */
  recordSlackMs: 1000,
  /** How long the stack gets to come to rest: for what hangs, and for each job, since restarts eat the machine's time. */
  restMs: 120_000,
  restMsPerJob: 300,
} as const;

export type ChaosSettings = { readonly [K in keyof typeof CHAOS]: number };

export const NAMES = namesOf({ ...CHAOS, apis: 1 });

export interface Locations {
  readonly workflowsDir: string;
  /** Where workers write which instances are to be restarted. */
  readonly restartsFile: string;
}

/** What api, workers and dispatchers have in common besides what each stack of a trial has. */
export function quickTimes({ workflowsDir, restartsFile }: Locations): Record<string, string> {
  return {
    WORKFLOWS_DIR: workflowsDir,
    WEBHOOK_TIMEOUT_MS: `${CHAOS.webhookTimeoutMs}`,
    WEBHOOK_RETRY_SECONDS: Array(CHAOS.webhookRetries)
      .fill(CHAOS.webhookRetryMs / 1000)
      .join(','),
    HOUSEKEEPING_SECONDS: '2',
    LOCK_MS: `${CHAOS.lockMs}`,
    INTERRUPT_GRACE_SECONDS: `${CHAOS.interruptGraceSeconds}`,
    MAX_GPU_SECONDS: `${CHAOS.deadlineSeconds}`,
    COMFYUI_RESTART_COMMAND: restartCommand(restartsFile),
    RESTARTS_PER_HOUR: '100',
    ...overridesEnv({
      queue: {
        stalledCheckMs: CHAOS.stalledCheckMs,
        sweepSeconds: 1,
        maxAttempts: CHAOS.maxAttempts,
        maxInstanceDeaths: CHAOS.maxInstanceDeaths,
        maxWorkerDeaths: CHAOS.maxWorkerDeaths,
      },
      worker: { announceSeconds: 1, adoptWaitSeconds: CHAOS.adoptWaitSeconds, restart: { waitSeconds: 5 } },
      comfyui: { timeoutMs: CHAOS.comfyTimeoutMs },
    }),
  };
}

/** The command that workers have for an instance that needs a restart: it writes the instance's name into the file. */
function restartCommand(file: string): string {
  return `printf '%s\\n' "$COMFY_FLEET_INSTANCE" >> '${file}'`;
}

/** Where workers write which instances are to be restarted, in a run's folder. */
export function restartsFileIn(dir: string): string {
  return join(dir, 'restarts');
}
