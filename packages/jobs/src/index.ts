export { SLOW_FACTOR } from './alerts/instance-rules.js';
export { ALERT_RULES } from './alerts/rules.js';
export { PROMISED_KEY_SECONDS, PROMISED_SECONDS } from './alerts/waiting-rules.js';
export { isPlainPath } from './callers/asset-names.js';
export type { Asset, AssetFile, AssetWish, KeptAsset } from './callers/assets.js';
export type { RequestCount } from './callers/batched-reads.js';
export { etaSeconds } from './callers/eta.js';
export type { FleetOverview, PoolOverview } from './callers/fleet.js';
export type { JobFilter, JobPage } from './callers/job-list.js';
export type { KeyChange } from './callers/key-jobs.js';
export { createLedger, type Ledger, type LedgerOptions } from './callers/ledger.js';
export type { NewJob, NewOrder } from './callers/new-order.js';
export type { Accepted } from './callers/orders.js';
export type { StorageUse } from './callers/storage.js';
export type { DayUsage } from './callers/usage.js';
export type { FleetFigures, StockFigures } from './figures/figures.js';
export { inspectRedis, type RedisInspection } from './figures/inspect-redis.js';
export type { StorageStock } from './figures/storage.js';
export type { Execution } from './history/execution.js';
export { createKeeper, type Keeper, type KeeperOptions } from './housekeeping/keeper.js';
export { createSchedules, type Schedules, type SchedulesOptions, type Task } from './queue/schedules.js';
export { affinityKeyOf } from './record/affinity-key.js';
export { compareEventIds, isEventId, type JobEvent, type JobStreamItem } from './record/events.js';
export { firstIdAt } from './record/first-id.js';
export { type Listed, listedOf, listedToKeep, type OutputRecord, type Picture, picturesOf } from './record/outputs.js';
export { isLargeText, PAYLOAD_PREFIX, type PayloadFiles } from './record/payloads.js';
export { presentJob, presentProgress } from './record/present-job.js';
export type {
  InstanceFault,
  JobError,
  JobRecord,
  JobSnapshot,
  NodeTiming,
  Preview,
  Progress,
  Timings,
} from './record/record.js';
export type { UrlSigner } from './record/url-signer.js';
export type { Refusals } from './scheduling/choose.js';
export { foremost } from './scheduling/foremost.js';
export type { KeyShare } from './scheduling/shares.js';
export type { WaitingModels } from './scheduling/waiting-models.js';
export { checkSchema } from './schema.js';
export { deliver } from './webhooks/deliver.js';
export { createDeliveries, type Deliveries, type DeliveriesOptions } from './webhooks/deliveries.js';
export type { DueDelivery, TryResult } from './webhooks/delivery.js';
export { newSecret } from './webhooks/sign.js';
export type { AbilityReader, AbilityRegistry } from './workers/abilities.js';
export type { Claim, Loss, Outcome, Verdict } from './workers/claim.js';
export type { ClaimSource } from './workers/claim-source.js';
export type { Asker, Fits } from './workers/fits.js';
export { type Halt, type HaltSource, type Halts, type HaltTarget, isPaused } from './workers/halts.js';
export type { InstanceNames } from './workers/instance-names.js';
export type { Kills } from './workers/kills.js';
export type { SharedLoadTimes } from './workers/load-times.js';
export type { NodeTime, NodeTimes } from './workers/node-times.js';
export type { Opinion, OpinionExchange, OpinionVerdict } from './workers/opinions.js';
export type { PublishedCatalogue } from './workers/publish-catalogue.js';
export { instancesServing } from './workers/serving.js';
export type { SharedInputs } from './workers/shared-inputs.js';
export type { AbandonedPrompt, UnwantedPrompts, Wedge } from './workers/unwanted-prompts.js';
export { createWorkerLedger, type WorkerLedger, type WorkerLedgerOptions } from './workers/worker-ledger.js';
export type { PublishedVersion, WorkflowRegistry } from './workflows/registry.js';
export type { StoredSource } from './workflows/sources.js';
