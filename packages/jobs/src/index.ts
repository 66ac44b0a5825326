export type { RequestCount } from './batched-reads.js';
export type { Claim, Loss, Outcome, Verdict } from './claim.js';
export { createDeliveries, type Deliveries, type DeliveriesOptions } from './deliveries/deliveries.js';
export type { DueDelivery, TryResult } from './deliveries/delivery.js';
export { etaSeconds } from './eta.js';
export { compareEventIds, isEventId, type JobEvent, type JobStreamItem } from './events.js';
export type { FleetFigures, StockFigures } from './figures/figures.js';
export { type Halt, type Halts, type HaltTarget, isPaused } from './halts.js';
export { createKeeper, type Keeper, type KeeperOptions } from './housekeeping/keeper.js';
export { inspectRedis, type RedisInspection } from './inspect-redis.js';
export type { JobFilter, JobPage } from './job-list.js';
export { type Accepted, createLedger, type Ledger, type LedgerOptions } from './ledger.js';
export type { NewJob, NewOrder } from './new-order.js';
export type { Opinion, OpinionVerdict } from './opinions.js';
export type { FleetOverview, PoolOverview } from './overview.js';
export { presentJob } from './present-job.js';
export type { FrameRecord, InstanceFault, JobError, JobRecord, JobSnapshot, Preview, Progress } from './record.js';
export { instancesServing } from './serving.js';
export type { SharedInputs } from './shared-inputs.js';
export type { UrlSigner } from './url-signer.js';
export type { DayUsage } from './usage.js';
export type { Wedge } from './wedges.js';
export {
  type AbandonedPrompt,
  type ClaimSource,
  createWorkerLedger,
  type WorkerLedger,
  type WorkerLedgerOptions,
} from './worker-ledger.js';
