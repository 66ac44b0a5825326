import { MAX_PRIORITY, MIN_PRIORITY, SCOPES, WEBHOOK_EVENTS } from '@comfy-fleet/contracts';

/** One thing that a key can have beyond its id, as the command line and as the keys file write it. */
export interface KeyOption {
  /** Without its dashes. */
  readonly option: string;
  /** Where it is in an entry of the file, with a dot. */
  readonly field: string;
  /** The placeholder in its help; absent if it takes no value. */
  readonly value?: string;
  readonly help: string;
  /** For completion: words that may stand there. */
  readonly choices?: readonly string[];
  /** The value for the file. What is not understood is left as it is written, for the schema to refuse. */
  read(text: string): unknown;
}

const number = (text: string) => (/^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text);
const list = (text: string) => text.split(',').map((part) => part.trim());

export const KEY_OPTIONS: readonly KeyOption[] = [
  {
    option: 'scopes',
    field: 'scopes',
    value: 'a,b',
    help: 'what it may do, separated by commas (jobs by default)',
    choices: SCOPES,
    read: list,
  },
  {
    option: 'requests-per-minute',
    field: 'limits.requests_per_minute',
    value: 'N',
    help: 'requests in a minute',
    read: number,
  },
  { option: 'jobs-waiting', field: 'limits.jobs_waiting', value: 'N', help: 'jobs waiting at a time', read: number },
  { option: 'jobs-running', field: 'limits.jobs_running', value: 'N', help: 'jobs running at a time', read: number },
  {
    option: 'upload-bytes-per-day',
    field: 'limits.upload_bytes_per_day',
    value: 'N',
    help: 'bytes of pictures sent in a day',
    read: number,
  },
  {
    option: 'max-gpu-seconds-per-day',
    field: 'limits.max_gpu_seconds_per_day',
    value: 'N',
    help: 'seconds of GPU time in a day (UTC)',
    read: number,
  },
  {
    option: 'max-gpu-seconds',
    field: 'limits.max_gpu_seconds',
    value: 'N',
    help: 'longest execution of one job, in seconds',
    read: number,
  },
  { option: 'max-steps', field: 'limits.max_steps', value: 'N', help: 'sampling steps of one job', read: number },
  { option: 'max-size', field: 'limits.max_size', value: 'N', help: 'width and height, in pixels', read: number },
  { option: 'max-count', field: 'limits.max_count', value: 'N', help: 'pictures of one job', read: number },
  {
    option: 'max-pixels',
    field: 'limits.max_pixels',
    value: 'N',
    help: 'pixels that one job makes, video frames included',
    read: number,
  },
  {
    option: 'workflows',
    field: 'workflows',
    value: 'a,b*',
    help: 'the workflows that it may run (all by default)',
    read: list,
  },
  {
    option: 'allow-nodes',
    field: 'allow_nodes',
    value: 'a,b*',
    help: 'node classes that its own graphs may have besides the reviewed ones',
    read: list,
  },
  {
    option: 'deny-nodes',
    field: 'deny_nodes',
    value: 'a,b*',
    help: 'node classes that its own graphs may not have',
    read: list,
  },
  {
    option: 'weight',
    field: 'weight',
    value: 'X',
    help: 'its share when keys compete, 0.01 to 100 (1 by default)',
    read: number,
  },
  {
    option: 'max-priority',
    field: 'max_priority',
    value: 'N',
    help: `the highest priority it may ask for, ${MIN_PRIORITY} to ${MAX_PRIORITY}`,
    read: number,
  },
  {
    option: 'in-order',
    field: 'in_order',
    help: "ComfyUI's API shows the prompts of each client as ended in the order in which they were sent",
    read: () => true,
  },
  {
    option: 'webhook-url',
    field: 'webhook.url',
    value: 'URL',
    help: 'called at the end of jobs that name no webhook',
    read: (text) => text,
  },
  {
    option: 'webhook-events',
    field: 'webhook.events',
    value: 'a,b',
    help: 'only at these ends, separated by commas',
    choices: WEBHOOK_EVENTS,
    read: list,
  },
];

/** Signs the key's webhooks. Not among the others: its value is made here. */
export const SECRET_OPTION = 'webhook-secret';
