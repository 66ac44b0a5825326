export type { Claim, Loss, Outcome, Verdict } from './claim.js';
export { etaSeconds } from './eta.js';
export { compareEventIds, isEventId, type JobEvent, type JobStreamItem } from './events.js';
export { createLedger, type Ledger, type LedgerOptions, type NewJob } from './ledger.js';
export type { FleetOverview, PoolOverview } from './overview.js';
export { presentJob } from './present-job.js';
export type { FrameRecord, JobError, JobRecord, JobSnapshot, Preview, Progress } from './record.js';
export {
  type AbandonedPrompt,
  type ClaimSource,
  createWorkerLedger,
  type WorkerLedger,
  type WorkerLedgerOptions,
} from './worker-ledger.js';
