import type {
  Job,
  JobImage,
  JobOutput,
  JobProgress,
  KeyUsageList,
  Problem,
  Usage,
  WaitingFor,
  WebhookAttempt,
  WebhookDelivery,
} from '@comfy-fleet/contracts';

/** A sentence for every field: one that is added without it does not compile. */
type Notes<T> = Readonly<Record<keyof T, string>>;

const job: Notes<Job> = {
  id: 'A UUID, sortable by the time of creation.',
  kind: 'What the picture is made from: a text, or a text and a picture.',
  lod: 'Level of detail.',
  status: 'It ends as succeeded, failed, canceled or expired, and never changes after that.',
  created_at: 'When it was accepted.',
  started_at: 'When its execution began; null until then.',
  finished_at: 'When it ended; null until then.',
  start_deadline: 'If it has not started by then, it expires.',
  progress: 'Its progress.',
  queue_position: 'Estimate of the jobs that run before it; null unless it waits.',
  eta_seconds: 'Estimated seconds until it ends; null if unknown.',
  waiting_for: 'What it waits for; null unless it is queued.',
  request: 'Every parameter with its final value.',
  outputs:
    'Every file, text and value that it made, the pictures among them, when it has ended; of a failed one, those of the nodes that had finished.',
  images: 'The pictures among its outputs.',
  image_url: 'URL of the first picture.',
  steps: 'As in request.',
  cfg: 'As in request.',
  sampler: 'As in request.',
  scheduler: 'As in request.',
  seed: 'As in request: a number up to 2^53−1, a decimal string above.',
  queue_ms: 'From acceptance to the start of execution.',
  duration_ms: 'From the start of execution to the end.',
  instance: 'Name of the ComfyUI instance that runs or ran it.',
  attempts: 'How often its execution began.',
  error: 'Why it failed; null unless it did.',
  timings: 'How the time of its execution was spent, node by node, as far as it was seen; null until it has ended.',
  metadata: 'As in the request.',
  parent: 'The job that this one repeats or refines; null if it does neither.',
  webhook: 'Who is notified of its end; the secret is never shown.',
  urls: 'Where to read, follow and cancel it. `events` can be opened without a key.',
};

const image: Notes<JobImage> = {
  image_url:
    'Address of the picture. If the service has keys, it is signed: anyone who has it can open it until it expires.',
  width: 'Pixels.',
  height: 'Pixels.',
  seed: 'A number up to 2^53−1, a decimal string above.',
  content_type: 'Of the original picture.',
  bytes: 'Size of the file.',
  sha256: 'Of the file, in hexadecimal; its ETag too.',
};

const output: Notes<JobOutput> = {
  name: 'The workflow’s name for what the node gives; several files of a node share it.',
  node_id: 'The node that made it; empty for jobs of earlier versions.',
  kind: 'Told by its bytes, then by its extension.',
  url: 'Address of the file. If the service has keys, it is signed: anyone who has it can open it until it expires.',
  filename: 'As ComfyUI called it.',
  content_type: 'Of the file.',
  bytes: 'Size of the file.',
  sha256: 'Of the file, in hexadecimal; its ETag too.',
  width: 'Pixels, where they are known.',
  height: 'Pixels, where they are known.',
  duration_seconds: 'Of videos and sounds, where they say it.',
  text: 'The text itself; absent when the texts of the job have more than 64 KiB together.',
};

const progress: Notes<JobProgress> = {
  fraction: '0 to 1 over the whole workflow.',
  step: 'Of the node under way; null when it has none.',
  steps: 'Of the node under way; null when it has none.',
  node: 'Title of the node under way.',
};

const waitingFor: Notes<WaitingFor> = {
  code: [
    'The first that applies. `paused`: an operator has paused its pool or the fleet. `no_instance`: no ComfyUI of its',
    'pool is up and takes jobs. `missing`: none that is up has what it needs. `memory`: it ran out of memory twice, and',
    'waits for another GPU with as much memory. `storage`: no worker can store pictures. `running_limit`: its API key has as many jobs',
    'in work as it may. `storage_share`: the storage is full, and the files of its API key fill the share of the key. `retry`: it is tried again after a while. `turn`: other jobs come first.',
  ].join(' '),
  detail: 'For people.',
  missing: 'Of `missing`: the node classes, models, samplers and other choices.',
  after: 'Of `retry`: the code of the error after which it is tried again, if there was one.',
  retry_at: 'Of `retry`: when it may be tried again.',
};

const problem: Notes<Problem> = {
  type: '`urn:comfy-fleet:problem:` and the code.',
  title: 'What the code means; always the same for one code.',
  status: 'The HTTP status.',
  detail: 'What was wrong with this request, and how to fix it.',
  instance: 'The path of the request.',
  code: 'For programs: one of the codes listed with the answer.',
  errors: 'One entry for every invalid field, with a JSON pointer into the body, or a slash and the parameter.',
};

const usageDay: Notes<Usage['data'][number]> = {
  day: 'UTC.',
  jobs: 'Accepted that day. The other numbers are of jobs that ended that day.',
  succeeded: 'Jobs.',
  failed: 'Jobs.',
  canceled: 'Jobs.',
  expired: 'Jobs.',
  pictures: 'Made by those jobs.',
  gpu_seconds: 'GPU time of those jobs.',
};

const usageNow: Notes<Usage['now']> = {
  gpu_seconds: 'GPU time today (UTC) of jobs that ended.',
  gpu_seconds_expected: 'GPU time that its waiting jobs are expected to take. The limit of a day counts it too.',
  upload_bytes: 'Sent today (UTC).',
  storage_bytes: 'Of all its files: what its jobs made, and what it sent.',
  storage_share_bytes:
    'Its share of the storage; null until the housekeeping has looked. It may have more while others use less.',
  jobs_waiting: 'Jobs that have not begun.',
  jobs_running: 'Jobs held by workers.',
  resets_in_seconds: 'Until the limits of a day begin anew.',
};

const keyUsage: Notes<Omit<KeyUsageList['data'][number], 'key' | 'gpu_seconds_by_day'>> = {
  jobs: 'Accepted in these days. The other numbers are of jobs that ended in them.',
  succeeded: 'Jobs.',
  failed: 'Jobs.',
  canceled: 'Jobs.',
  expired: 'Jobs.',
  pictures: 'Made by those jobs.',
  gpu_seconds: 'GPU time of those jobs.',
};

const delivery: Notes<WebhookDelivery> = {
  id: 'The `webhook-id`: the same for every attempt.',
  url: 'Where it goes.',
  events: 'The events that it is sent for.',
  state:
    '`waiting`: the job has not ended; `pending`: an attempt is due or in progress; `skipped`: `events` does not include this end.',
  next_attempt_at: 'When the next attempt is due; null if there is none.',
  attempts: 'Every attempt, the oldest first.',
};

const attempt: Notes<WebhookAttempt> = {
  at: 'When it began.',
  status: 'The HTTP status of the answer; null when there was none.',
  duration_ms: 'Until the answer or the timeout.',
  answer: 'The first KiB of the answer’s body as text, or why there was none.',
  delivered: 'Whether the receiver accepted it: a status of 200 to 299.',
};

/** By the name of the schema, then of the field. */
export const fieldNotes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Job: job,
  JobImage: image,
  JobOutput: output,
  JobProgress: progress,
  Problem: problem,
  UsageDay: usageDay,
  UsageNow: usageNow,
  KeyUsage: keyUsage,
  WaitingFor: waitingFor,
  WebhookDelivery: delivery,
  WebhookAttempt: attempt,
};
