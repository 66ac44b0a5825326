import * as contracts from '@comfy-fleet/contracts';
import type { SchemaObject } from 'openapi3-ts/oas31';

/** Converts a schema for the document: named schemas in it become references. */
export type Naming = (schema: object) => SchemaObject;

/** Recognises named schemas by their content, because other schemas contain copies of them. */
export function nameSchemas(named: Readonly<Record<string, object>>) {
  const names = new Map(Object.entries(named).map(([name, schema]) => [JSON.stringify(schema), name]));
  const naming = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    const name = names.get(JSON.stringify(value));
    return name === undefined ? within(value) : { $ref: `#/components/schemas/${name}` };
  };
  const within = (schema: object): unknown => {
    if (Array.isArray(schema)) return schema.map(naming);
    const parts = Object.entries(schema).map(([key, part]) => [key, naming(part)]);
    return { ...typeOfChoices(schema), ...Object.fromEntries(parts) };
  };
  const definitions = Object.entries(named).map(([name, schema]) => [name, withDefaultsInWords(within(schema))]);
  return {
    naming: naming as Naming,
    definitions: Object.fromEntries(definitions) as Record<string, SchemaObject>,
  };
}

/** Client generators expect an enum of strings to have the type `string`. */
function typeOfChoices(schema: object): object {
  const { enum: choices } = schema as { enum?: unknown };
  const isWords = Array.isArray(choices) && choices.every((choice) => typeof choice === 'string');
  return isWords ? { type: 'string' } : {};
}

/**
 * Moves defaults into the descriptions. With a default, openapi-typescript would make a field of a named schema
 * required, because the schema might describe an answer.
 */
function withDefaultsInWords(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withDefaultsInWords);
  if (typeof value !== 'object' || value === null) return value;
  const parts = Object.fromEntries(Object.entries(value).map(([name, part]) => [name, withDefaultsInWords(part)]));
  const { default: preset, ...rest } = parts;
  if (preset === undefined) return rest;
  // Here `default` is the name of a field.
  if (typeof preset === 'object') return { ...rest, default: preset };
  return { ...rest, description: [rest.description, `Default: ${preset}.`].filter(Boolean).join(' ') };
}

/** The named schemas of the document. */
export function namedSchemas(limits: contracts.RequestLimits, maxBatchJobs: number): Record<string, object> {
  const { outputs, images, progress, error, request, parent, waiting_for } = contracts.jobSchema.properties;
  const { pools, workers, shares } = contracts.fleetStatusSchema.properties;
  const { instances } = contracts.fleetTimelineSchema.properties;
  return {
    GenerateRequest: contracts.generateRequestSchema(limits),
    Img2ImgRequest: contracts.img2imgRequestSchema(limits),
    RefineRequest: contracts.refineRequestSchema(limits),
    RunOptions: contracts.runOptionsSchema(limits),
    BatchRequest: contracts.batchRequestSchema(limits, maxBatchJobs),
    BatchText2ImgJob: contracts.batchJobSchema.text2img(limits),
    BatchImg2ImgJob: contracts.batchJobSchema.img2img(limits),
    Asset: contracts.assetSchema,
    AssetList: contracts.assetListSchema,
    Webhook: contracts.webhookSchema,
    Job: contracts.jobSchema,
    JobImage: images.items,
    JobOutput: outputs.items,
    JobProgress: progress,
    JobError: error.anyOf[0],
    JobParameters: request,
    ParentJob: parent.anyOf[0],
    WaitingFor: waiting_for.anyOf[0],
    JobPreview: contracts.jobEventSchemas.preview,
    JobOutputs: contracts.jobEventSchemas.output,
    JobList: contracts.jobListSchema,
    BatchAnswer: contracts.batchAnswerSchema,
    WebhookMessage: contracts.webhookMessageSchema,
    WebhookDelivery: contracts.webhookDeliverySchema,
    WebhookAttempt: contracts.webhookAttemptSchema,
    Usage: contracts.usageSchema,
    UsageDay: contracts.usageSchema.properties.data.items,
    UsageNow: contracts.usageSchema.properties.now,
    KeyUsageList: contracts.keyUsageListSchema,
    KeyUsage: contracts.keyUsageListSchema.properties.data.items,
    Me: contracts.meSchema,
    KeyLimits: contracts.keyLimitsSchema,
    KeyList: contracts.keyListSchema,
    Key: contracts.keyListSchema.properties.data.items,
    WorkflowList: contracts.workflowListSchema,
    WorkflowFault: contracts.workflowListSchema.properties.faults.items,
    Workflow: contracts.workflowSchema,
    WorkflowVersions: contracts.workflowVersionsSchema,
    WorkflowChanges: contracts.workflowChangesSchema,
    WorkflowInspection: contracts.workflowInspectionSchema,
    WorkflowNote: contracts.workflowSchema.properties.notes.items,
    WorkflowChange: contracts.workflowChangesSchema.properties.whole.items,
    Model: contracts.modelSchema,
    ModelCopy: contracts.modelSchema.properties.copies.items,
    ModelFolder: contracts.modelListSchema.properties.folders.items,
    ModelList: contracts.modelListSchema,
    ModelRequest: contracts.modelRequestSchema,
    LodList: contracts.lodListSchema,
    LodProfile: contracts.lodListSchema.properties.data.items,
    AdminStatus: contracts.adminStatusSchema,
    Halt: contracts.pauseSchema,
    Drain: contracts.drainSchema,
    FleetStatus: contracts.fleetStatusSchema,
    FleetTimeline: contracts.fleetTimelineSchema,
    InstanceTimeline: instances.items,
    FleetHistory: contracts.fleetHistorySchema,
    FleetSample: contracts.fleetHistorySchema.properties.samples.items,
    FleetAlerts: contracts.fleetAlertsSchema,
    FleetAlert: contracts.fleetAlertsSchema.properties.alerts.items,
    TimelineStretch: instances.items.properties.stretches.items,
    PoolStatus: pools.items,
    PoolWaitingForModels: pools.items.properties.waiting_for_models.items,
    KeyShare: shares.items,
    WorkerStatus: workers.items,
    InstanceStatus: workers.items.properties.instances.items,
    Health: contracts.healthSchema,
    Probe: contracts.probeSchema,
    ServiceIndex: contracts.serviceIndexSchema,
    Problem: contracts.problemSchema,
    FieldError: contracts.problemSchema.properties.errors.items,
  };
}
