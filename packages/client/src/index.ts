export type * from './api-types.js';
export { FleetError, FleetUnreachableError, JobEndedError } from './errors.js';
export type { Assets, DownloadOptions, FileContent, LinkOptions, Output, UploadOptions } from './files.js';
export { Fleet, type Halts, type PastOptions, type PauseOptions, type RunOptions } from './fleet.js';
export { type JobEvent, JobHandle } from './job-handle.js';
export type { JobFilter, JobPage, Jobs, PageOptions } from './jobs.js';
export type { Registry, WorkflowUpload } from './registry.js';
export type { Abortable, FleetOptions, OrderOptions } from './transport.js';
export { verifyWebhook, type WebhookHeaders, WebhookVerificationError } from './webhook.js';
