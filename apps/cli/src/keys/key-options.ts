import { MAX_PRIORITY, MIN_PRIORITY, SCOPES, WEBHOOK_EVENTS } from '@comfy-fleet/contracts';

/** A setting of a key, as the command line and the keys file name it. */
export interface KeyOption {
  /** The option's name without dashes. */
  readonly option: string;
  /** Its path in an entry of the file, with a dot. */
  readonly field: string;
  /** The placeholder in the help. */
  readonly value: string;
  readonly help: string;
  /** Possible values, for completion. */
  readonly choices?: readonly string[];
  /** Converts the text for the file. Text that cannot be converted stays as it is, and the schema refuses it. */
  read(text: string): unknown;
}

const number = (text: string) => (/^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text);
const list = (text: string) => text.split(',').map((part) => part.trim());

export const KEY_OPTIONS: readonly KeyOption[] = [
  {
    option: 'scopes',
    field: 'scopes',
    value: 'a,b',
    help: 'what the key may do, separated by commas (default: jobs)',
    choices: SCOPES,
    read: list,
  },
  {
    option: 'requests-per-minute',
    field: 'limits.requests_per_minute',
    value: 'N',
    help: 'the most requests in a minute',
    read: number,
  },
  {
    option: 'jobs-waiting',
    field: 'limits.jobs_waiting',
    value: 'N',
    help: 'the most jobs waiting at a time',
    read: number,
  },
  {
    option: 'jobs-running',
    field: 'limits.jobs_running',
    value: 'N',
    help: 'the most jobs running at a time',
    read: number,
  },
  {
    option: 'upload-bytes-per-day',
    field: 'limits.upload_bytes_per_day',
    value: 'N',
    help: 'the most bytes of uploads in a day',
    read: number,
  },
  {
    option: 'max-gpu-seconds-per-day',
    field: 'limits.max_gpu_seconds_per_day',
    value: 'N',
    help: 'the most seconds of GPU time in a day (UTC)',
    read: number,
  },
  {
    option: 'max-gpu-seconds',
    field: 'limits.max_gpu_seconds',
    value: 'N',
    help: 'the longest execution of one job, in seconds',
    read: number,
  },
  {
    option: 'max-steps',
    field: 'limits.max_steps',
    value: 'N',
    help: 'the most sampling steps of one job',
    read: number,
  },
  {
    option: 'max-size',
    field: 'limits.max_size',
    value: 'N',
    help: 'the largest width or height, in pixels',
    read: number,
  },
  { option: 'max-count', field: 'limits.max_count', value: 'N', help: 'the most pictures of one job', read: number },
  {
    option: 'max-pixels',
    field: 'limits.max_pixels',
    value: 'N',
    help: 'the most pixels that one job makes, including video frames',
    read: number,
  },
  {
    option: 'workflows',
    field: 'workflows',
    value: 'a,b*',
    help: 'the workflows that it may run (default: all)',
    read: list,
  },
  {
    option: 'allow-nodes',
    field: 'allow_nodes',
    value: 'a,b*',
    help: 'node classes that its own graphs may contain besides the reviewed ones',
    read: list,
  },
  {
    option: 'deny-nodes',
    field: 'deny_nodes',
    value: 'a,b*',
    help: 'node classes that its own graphs must not contain',
    read: list,
  },
  {
    option: 'weight',
    field: 'weight',
    value: 'X',
    help: 'its share when keys compete, 0.01 to 100 (default: 1)',
    read: number,
  },
  {
    option: 'max-priority',
    field: 'max_priority',
    value: 'N',
    help: `the highest priority that it may request, ${MIN_PRIORITY} to ${MAX_PRIORITY}`,
    read: number,
  },
  {
    option: 'webhook-url',
    field: 'webhook.url',
    value: 'URL',
    help: 'called when a job ends that names no webhook',
    read: (text) => text,
  },
  {
    option: 'webhook-events',
    field: 'webhook.events',
    value: 'a,b',
    help: 'the events to call it for, separated by commas (default: all)',
    choices: WEBHOOK_EVENTS,
    read: list,
  },
];

/** The secret that signs the key's webhooks. It is not in KEY_OPTIONS, since its value is generated. */
export const SECRET_OPTION = 'webhook-secret';
