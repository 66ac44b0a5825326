export type * from './api-types.js';
export { FleetError, FleetUnreachableError, JobEndedError } from './errors.js';
export type { Assets, FileContent, UploadOptions } from './files.js';
export { Fleet, type OrderOptions, type PastOptions, type RunOptions } from './fleet.js';
export { type JobEvent, JobHandle } from './job-handle.js';
export type { JobFilter, JobPage, Jobs, PageOptions } from './jobs.js';
export type { DownloadOptions, LinkOptions, Output } from './output.js';
export type { Abortable, FleetOptions } from './transport.js';
export { verifyWebhook, type WebhookHeaders, WebhookVerificationError } from './webhook.js';
