import { CHAOS, type ChaosSettings } from '../chaos/settings.js';

/** How many of each there are, and what is set in them besides their addresses. All else is as the services have it by themselves. */
export const FLEET = {
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

const numbered = (word: string, count: number) => Array.from({ length: count }, (_, n) => `${word}${n + 1}`);

export const apiNames = numbered('api', FLEET.apis);
export const workerNames = numbered('worker', FLEET.workers);
export const dispatcherNames = numbered('dispatcher', FLEET.dispatchers);
/** Named as their instances are, in the order of their workers. */
export const simulatorNames = workerNames.flatMap((worker) => numbered(`${worker}/`, FLEET.simulatorsPerWorker));

/** What the checks have to know of the services: their defaults, as docs/settings.md has them. */
export const JUDGED: ChaosSettings = {
  ...CHAOS,
  workers: FLEET.workers,
  simulatorsPerWorker: FLEET.simulatorsPerWorker,
  dispatchers: FLEET.dispatchers,
  stepMs: FLEET.stepMs,
  modelLoadMs: FLEET.modelLoadMs,
  lockMs: 10_000,
  stalledCheckMs: 5000,
  adoptWaitSeconds: 60,
  comfyTimeoutMs: 10_000,
  webhookTimeoutMs: 10_000,
  webhookRetryMs: 5000,
};

export interface Places {
  /** REDIS_URL, and what else leads to Redis. */
  readonly redis: Readonly<Record<string, string>>;
  readonly framesDir: string;
  readonly keysFile: string;
}

/** The environment that api, workers and dispatchers share. */
export function environmentOf({ redis, framesDir, keysFile }: Places): Record<string, string> {
  return {
    ...redis,
    FRAMES_DIR: framesDir,
    API_KEYS_FILE: keysFile,
    WEBHOOK_ALLOW: '127.0.0.1',
    // The machine's disk is not what is tried here.
    MIN_FREE_BYTES: '0',
    HOUSEKEEPING_SECONDS: `${FLEET.housekeepingSeconds}`,
    UNREADY_SECONDS: `${FLEET.unreadySeconds}`,
    LOG_LEVEL: 'debug',
  };
}

/** Redis never rewrites its append-only file: it tells the whole run. */
export const WHOLE_FILE = ['--auto-aof-rewrite-percentage', '0'];
