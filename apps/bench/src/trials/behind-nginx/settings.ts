import { CHAOS, type ChaosSettings } from '../chaos/settings.js';
import { namesOf } from '../stack/names.js';

/** How many of each there are, and what is set in them besides their addresses. All else is as the services have it by themselves. */
export const BALANCED = {
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
