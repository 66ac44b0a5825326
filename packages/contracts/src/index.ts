export {
  type KeyLimitsView,
  type KeyList,
  keyLimitsSchema,
  keyListQuerySchema,
  keyListSchema,
  type Me,
  meSchema,
} from './account.js';
export { type AllowedInputs, type AllowedNodes, allowedNodesSchema } from './allowed-nodes.js';
export {
  ANONYMOUS,
  type ApiKey,
  type ApiKeysFile,
  apiKeySchema,
  apiKeysFileSchema,
  SCOPES,
  type Scope,
  sendsGraphs,
} from './api-keys.js';
export {
  ASSET_KINDS,
  type AssetKind,
  type AssetList,
  type AssetView,
  assetListQuerySchema,
  assetListSchema,
  assetSchema,
} from './assets.js';
export {
  ERROR_CATALOGUE,
  type ErrorCode,
  type FieldError,
  FleetError,
  type FleetErrorOptions,
  type NodeException,
  type Problem,
  problemSchema,
} from './errors.js';
export {
  type Abilities,
  DEFAULT_POOL,
  INSTANCE_STATES,
  type InstanceAbilities,
  type InstanceAnnouncement,
  type InstanceExposure,
  type InstanceMachine,
  type InstanceRest,
  type InstanceState,
  isInService,
  type Memory,
  POOL_PATTERN,
  type WorkerAnnouncement,
} from './fleet.js';
export {
  ALERT_SEVERITIES,
  type AlertSeverity,
  type AlertSubject,
  type FleetAlert,
  type FleetAlerts,
  fleetAlertsSchema,
} from './fleet-alerts.js';
export {
  EXECUTION_OUTCOMES,
  type ExecutionOutcome,
  type FleetHistory,
  type FleetTimeline,
  fleetHistorySchema,
  fleetPastQuerySchema,
  fleetTimelineSchema,
  MOST_PAST_MINUTES,
  type TimelineStretch,
} from './fleet-past.js';
export { type FleetStatus, fleetStatusSchema, type PoolMismatch } from './fleet-status.js';
export { type Fresh, fresh } from './fresh.js';
export { type AdminStatus, adminStatusSchema, type Drain, drainSchema, haltSchema, pauseQuerySchema } from './halt.js';
export {
  type ExpandedFrom,
  isId,
  type Job,
  type JobImage,
  type JobOutput,
  type JobProgress,
  jobSchema,
  newId,
  OUTPUT_KINDS,
  type OutputKind,
  type ParentJob,
} from './job.js';
export { jobEventSchemas } from './job-events.js';
export {
  isTerminal,
  JOB_PHASES,
  JOB_STATUSES,
  type JobPhase,
  type JobStatus,
  may,
  PHASE_TRANSITIONS,
  STATUS_TRANSITIONS,
  TERMINAL_STATUSES,
  type TerminalStatus,
} from './job-states.js';
export {
  type BatchAnswer,
  batchAnswerSchema,
  type JobList,
  jobListSchema,
} from './lists.js';
export { type LodList, lodListSchema } from './lod-list.js';
export { matchesAny } from './name-patterns.js';
export {
  FILE_KINDS,
  type FileKind,
  filesOf,
  type GpuLimits,
  gpuLimitFields,
  graphOf,
  type InputFile,
  type InputValue,
  isInputFile,
  JOB_KINDS,
  type JobKind,
  LODS,
  type Lod,
  MAX_PRIORITY,
  MAX_SEED,
  MIN_PRIORITY,
  OVERRIDES,
  type Override,
  PICTURE_FIELDS,
  PICTURE_KINDS,
  type PictureKind,
  parseSeed,
  presentSeed,
  type RequestLimits,
  type ResolvedRequest,
  readGpuLimits,
  SIZE_STEP,
  workflowLimitsSchema,
} from './parameters.js';
export {
  batchGraphSchema,
  batchJobSchema,
  batchRequestSchema,
  batchWorkflowSchema,
  type GenerateRequest,
  generateRequestSchema,
  graphRequestSchema,
  type Img2ImgRequest,
  img2imgRequestSchema,
  type JobListQuery,
  jobListQuerySchema,
  MAX_COMFY_KEY_CHARS,
  type RefineRequest,
  refineRequestSchema,
  retryQuerySchema,
  runOptionsSchema,
  runRequestSchema,
} from './requests.js';
export {
  type Health,
  healthSchema,
  type Probe,
  probeSchema,
  type ServiceIndex,
  serviceIndexSchema,
} from './service.js';
export { type JoinedSignal, joinSignals, orAborted } from './signals.js';
export {
  type KeyUsageList,
  keyUsageListSchema,
  keyUsageQuerySchema,
  type Usage,
  usageQuerySchema,
  usageSchema,
} from './usage.js';
export { WAIT_CODES, type WaitCode, type WaitingFor } from './waiting-for.js';
export {
  WEBHOOK_EVENTS,
  WEBHOOK_SECRET_PATTERN,
  type Webhook,
  type WebhookAttempt,
  type WebhookDelivery,
  type WebhookEvent,
  webhookAttemptSchema,
  webhookDeliverySchema,
  webhookMessageSchema,
  webhookSchema,
} from './webhook.js';
export {
  changesQuerySchema,
  graphQuerySchema,
  publishQuerySchema,
  WORKFLOW_NAME_PATTERN,
  type WorkflowAnswer,
  type WorkflowChanges,
  type WorkflowFault,
  type WorkflowInspection,
  type WorkflowList,
  type WorkflowPlace,
  type WorkflowVersions,
  workflowChangesSchema,
  workflowInspectionSchema,
  workflowListSchema,
  workflowSchema,
  workflowVersionsSchema,
} from './workflows.js';
