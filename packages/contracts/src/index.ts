export type { Abilities, InstanceAbilities } from './abilities.js';
export {
  ANONYMOUS,
  type ApiKey,
  type ApiKeysFile,
  apiKeySchema,
  apiKeysFileSchema,
  SCOPES,
  type Scope,
} from './api-keys.js';
export { ERROR_CATALOGUE, type ErrorCode } from './error-codes.js';
export {
  INSTANCE_STATES,
  type InstanceAnnouncement,
  type InstanceRest,
  type InstanceState,
  type WorkerAnnouncement,
} from './fleet.js';
export { type FieldError, FleetError, type FleetErrorOptions } from './fleet-error.js';
export { type FleetStatus, fleetStatusSchema, type PoolMismatch } from './fleet-status.js';
export { type Fresh, fresh } from './fresh.js';
export { type AdminStatus, adminStatusSchema, type Drain, drainSchema, haltSchema, pauseQuerySchema } from './halt.js';
export { isId, newId } from './ids.js';
export { type Job, type JobImage, type JobProgress, jobSchema, type ParentJob } from './job.js';
export { jobEventSchemas } from './job-events.js';
export { type JoinedSignal, joinSignals } from './join-signals.js';
export { MAX_PRIORITY, MIN_PRIORITY, type RequestLimits, SIZE_STEP } from './limits.js';
export {
  type BatchAnswer,
  batchAnswerSchema,
  type JobList,
  jobListSchema,
  type Usage,
  usageSchema,
} from './lists.js';
export { JOB_KINDS, type JobKind, LODS, type Lod } from './lod.js';
export { type LodList, lodListSchema } from './lod-list.js';
export { orAborted } from './or-aborted.js';
export { DEFAULT_POOL, POOL_PATTERN } from './pools.js';
export { type Problem, problemSchema } from './problem.js';
export {
  batchJobSchema,
  batchRequestSchema,
  type GenerateRequest,
  generateRequestSchema,
  type Img2ImgRequest,
  img2imgRequestSchema,
  type JobListQuery,
  jobListQuerySchema,
  type RefineRequest,
  refineRequestSchema,
  type UsageQuery,
  usageQuerySchema,
} from './requests.js';
export { type InputImage, OVERRIDES, type Override, type ResolvedRequest } from './resolved-request.js';
export { MAX_SEED, parseSeed, presentSeed } from './seed.js';
export {
  type Health,
  healthSchema,
  type Probe,
  probeSchema,
  type ServiceIndex,
  serviceIndexSchema,
} from './service.js';
export {
  isTerminal,
  JOB_PHASES,
  JOB_STATUSES,
  type JobPhase,
  type JobStatus,
  TERMINAL_STATUSES,
  type TerminalStatus,
} from './status.js';
export {
  WEBHOOK_EVENTS,
  WEBHOOK_SECRET_PATTERN,
  type Webhook,
  type WebhookAttempt,
  type WebhookDelivery,
  type WebhookEvent,
  webhookAttemptSchema,
  webhookDeliverySchema,
  webhookSchema,
} from './webhook.js';
export { webhookMessageSchema } from './webhook-message.js';
