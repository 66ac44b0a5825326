export { ALERT_RULES, type Alerts } from './alerts/alerts.js';
export { SLOW_FACTOR } from './alerts/instance-rules.js';
export { PROMISED_KEY_SECONDS, PROMISED_SECONDS } from './alerts/waiting-rules.js';
export type { DayUsage } from './callers/accounts.js';
export { type Asset, type AssetFile, isPlainPath, type KeptAsset } from './callers/assets.js';
export { etaSeconds } from './callers/fleet.js';
export type { JobFilter } from './callers/job-list.js';
export { compareEventIds, isEventId, type JobStreamItem } from './callers/job-stream.js';
export type { KeyChange } from './callers/key-jobs.js';
export { createLedger, type Ledger, type LedgerOptions } from './callers/ledger.js';
export { type NewJob, type NewOrder, textsOf } from './callers/new-order.js';
export type { Accepted } from './callers/orders.js';
export type { FleetFigures } from './figures/figures.js';
export type { FleetOverview, PoolOverview } from './figures/overview.js';
export { inspectRedis, type RedisInspection } from './figures/redis-info.js';
export { BYTES_PER_FILE, LEAST_FILE_BYTES, type StorageInventory, type StorageUse } from './figures/storage.js';
export type { Execution } from './history/timeline.js';
export { createHousekeeper, type Housekeeper, type HousekeeperOptions } from './housekeeping/housekeeper.js';
export { chooseFetches, MOST_FETCHES } from './models/choose-fetches.js';
export type { WaitingJobs } from './models/demand.js';
export {
  type FetchMemory,
  type FetchPlan,
  type FetchView,
  type HeldJob,
  NO_MEMORY,
  type WantedModels,
} from './models/fetch-view.js';
export type { FolderCopies } from './models/folders.js';
export type { Models } from './models/models.js';
export { type ModelName, type ModelRecords, newModel } from './models/registry.js';
export { MOST_URL_MODELS, type ModelUrl } from './models/url-models.js';
export { createSchedules, type Task } from './queue/schedules.js';
export { firstIdAt, inTurn } from './record/indexes.js';
export { type Listed, listedOf, listedToKeep, type OutputRecord, type Picture, picturesOf } from './record/outputs.js';
export { isLargeText, PAYLOAD_PREFIX } from './record/payloads.js';
export { presentJob, presentProgress } from './record/present-job.js';
export type {
  InstanceFault,
  JobError,
  JobRecord,
  JobSnapshot,
  Listing,
  NodeTiming,
  Preview,
  Progress,
  Timings,
} from './record/record.js';
export { affinityKeyOf, GRAPH_AFFINITY, reuseOf, signatureOf } from './record/request-keys.js';
export type { Reuse } from './record/reuse.js';
export type { UrlSigner } from './record/url-signer.js';
export type { PublishedVersion, SourceOwner, StoredSource, WorkflowRegistry } from './record/workflows.js';
export { MARK, NEEDS_NO_MODELS, type Refusals } from './scheduling/choose.js';
export type { WaitingModels } from './scheduling/overview.js';
export { type KeyShare, topShares } from './scheduling/shares.js';
export { checkSchema } from './schema.js';
export { deliver, newSecret } from './webhooks/deliver.js';
export { createDeliveries } from './webhooks/deliveries.js';
export type { DueDelivery, TryResult } from './webhooks/delivery-queue.js';
export type { AbilityReader, AbilityRegistry } from './workers/abilities.js';
export type { PublishedCatalogue } from './workers/catalogues.js';
export type { ClaimSource } from './workers/claim-source.js';
export type { CrossCheck, CrossChecks } from './workers/cross-checks.js';
export { type EncodeAheadLedger, type JobAhead, type JobShare, markOf } from './workers/encode-ahead.js';
export type { Asker, Fits } from './workers/fits.js';
export { type Halt, type HaltSource, type Halts, type HaltTarget, isPaused } from './workers/halts.js';
export type { Claim, Loss, Outcome, Verdict } from './workers/hold-claim.js';
export type { InstanceNames, SharedInputs } from './workers/instance-files.js';
export type { NodeTime, NodeTimes, SharedLoadTimes } from './workers/learned-times.js';
export { instancesServing } from './workers/presence.js';
export type { HungPrompt, Kills, UnwantedPrompt, UnwantedPrompts } from './workers/unwanted-prompts.js';
export { createWorkerLedger, type WorkerLedger, type WorkerLedgerOptions } from './workers/worker-ledger.js';
