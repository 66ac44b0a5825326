import { join } from 'node:path';
import { overridesEnv } from '@comfy-fleet/config';
import { namesOf } from '../stack/stack.js';

/** The settings of the services, which are so short that the effects of a kill are over within seconds. */
export const CHAOS = {
  workers: 3,
  simulatorsPerWorker: 2,
  dispatchers: 2,
  stepMs: 30,
  modelLoadMs: 50,
  /** Instances whose card is too small for a text encoder and a model together; half of them of each version. */
  smallCards: 4,
  lockMs: 1500,
  stalledCheckMs: 300,
  adoptWaitSeconds: 4,
  comfyTimeoutMs: 3000,
  webhookTimeoutMs: 2000,
  /** The delay before each retry of a webhook. There are more retries than failures of a receiver. */
  webhookRetryMs: 300,
  webhookRetries: 12,
  /** The longest execution, for all levels of detail and workflows. It ends prompts that hang. */
  deadlineSeconds: 8,
  /** How long an execution may continue after an interrupt. */
  interruptGraceSeconds: 2,
  maxAttempts: 3,
  maxInstanceDeaths: 2,
  maxWorkerDeaths: 10,
  /**
   * How long a cancel may take from its answer to the GPU, besides a step, on a machine with more processes than cores.
   */
  cancelSlackMs: 400,
  /** How old the timestamp of a webhook may be when it arrives, on such a machine. */
  timestampSlackMs: 5000,
  /** How long a dispatcher may take to record the result of a delivery, on such a machine. */
  recordSlackMs: 1000,
  /** How long the stack may take to become idle: a constant for hung prompts, and a part for each job. */
  restMs: 120_000,
  restMsPerJob: 300,
} as const;

export type ChaosSettings = { readonly [K in keyof typeof CHAOS]: number };

export const NAMES = namesOf({ ...CHAOS, apis: 1 });

const GIB = 1024 ** 3;
const MODELS = ['sd_xl_base_1.0.safetensors', 'flux1-dev.safetensors'];
const ENCODERS = ['sd_xl_base_1.0.safetensors/clip', 't5xxl_fp16.safetensors'];

/** The settings of a simulator with a small card, which keeps results so that texts can be encoded ahead. */
export const SMALL_CARD = {
  cache_lru: 64,
  vram_bytes: 16 * GIB,
  model_bytes: Object.fromEntries([...MODELS, ...ENCODERS].map((file) => [file, 11 * GIB])),
  swap_ms_per_gib: 10,
};

export interface Locations {
  readonly workflowsDir: string;
  /** The file to which workers write the names of instances to restart. */
  readonly restartsFile: string;
}

/** The environment of APIs, workers and dispatchers. */
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
    ...overridesEnv({
      queue: {
        stalledCheckMs: CHAOS.stalledCheckMs,
        sweepSeconds: 1,
        maxAttempts: CHAOS.maxAttempts,
        maxInstanceDeaths: CHAOS.maxInstanceDeaths,
        maxWorkerDeaths: CHAOS.maxWorkerDeaths,
      },
      worker: {
        announceSeconds: 1,
        adoptWaitSeconds: CHAOS.adoptWaitSeconds,
        restart: { waitSeconds: 5, mostPerHour: 100 },
        encodeAhead: { leastSavedMs: 20 },
      },
      comfyui: { timeoutMs: CHAOS.comfyTimeoutMs },
    }),
  };
}

/** The restart command of workers, which writes the name of the instance to the file. */
function restartCommand(file: string): string {
  return `printf '%s\\n' "$COMFY_FLEET_INSTANCE" >> '${file}'`;
}

/** The path of the file with instances to restart, in the folder of a run. */
export function restartsFileIn(dir: string): string {
  return join(dir, 'restarts');
}
