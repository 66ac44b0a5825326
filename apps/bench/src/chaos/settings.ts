/** What the run sets in the services, short enough that a death is over within seconds. Printed with the table. */
export const CHAOS = {
  workers: 3,
  simulatorsPerWorker: 2,
  stepMs: 30,
  modelLoadMs: 50,
  lockMs: 1500,
  stalledCheckMs: 300,
  adoptWaitSeconds: 4,
  comfyTimeoutMs: 3000,
  /** Longest execution, for every level of detail: what ends a prompt that hangs. */
  deadlineSeconds: 8,
  maxAttempts: 3,
  maxInstanceDeaths: 2,
  maxWorkerDeaths: 10,
  /** On top of a step: how long a cancel's way from its answer to the GPU may take on a machine with more processes than cores. */
  cancelSlackMs: 400,
  /** How long the fleet gets to come to rest: for what hangs, and for each job, since restarts eat the machine's time. */
  restMs: 120_000,
  restMsPerJob: 300,
} as const;

export type ChaosSettings = { readonly [K in keyof typeof CHAOS]: number };

/** The environment that api and workers share. */
export function serviceEnvironment(redisUrl: string, framesDir: string, workflowsDir: string): Record<string, string> {
  return {
    REDIS_URL: redisUrl,
    FRAMES_DIR: framesDir,
    WORKFLOWS_DIR: workflowsDir,
    LOCK_MS: `${CHAOS.lockMs}`,
    STALLED_CHECK_MS: `${CHAOS.stalledCheckMs}`,
    SWEEP_SECONDS: '1',
    ANNOUNCE_SECONDS: '1',
    ADOPT_WAIT_SECONDS: `${CHAOS.adoptWaitSeconds}`,
    COMFYUI_TIMEOUT_MS: `${CHAOS.comfyTimeoutMs}`,
    MAX_ATTEMPTS: `${CHAOS.maxAttempts}`,
    MAX_INSTANCE_DEATHS: `${CHAOS.maxInstanceDeaths}`,
    MAX_WORKER_DEATHS: `${CHAOS.maxWorkerDeaths}`,
    LOG_LEVEL: 'debug',
  };
}
