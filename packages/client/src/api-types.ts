// Written from /openapi.json by apps/api/test/client-types.redis.test.ts: see docs/clients.md.

/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "GenerateRequest".
 */
export interface GenerateRequest {
  /**
   * What the picture shows.
   */
  prompt: string;
  /**
   * What it must not show.
   */
  negative_prompt?: string;
  /**
   * Level of detail; its profile sets the fields that you leave out. Default: mid.
   */
  lod?: 'sketch' | 'mid' | 'final' | 'direct_final';
  /**
   * Sampling steps.
   */
  steps?: number;
  /**
   * Classifier-free guidance scale.
   */
  cfg?: number;
  /**
   * Sampler, as ComfyUI names it (euler_ancestral, dpmpp_2m, …).
   */
  sampler?: string;
  /**
   * Noise schedule, as ComfyUI names it (normal, karras, …).
   */
  scheduler?: string;
  /**
   * 0 to 2^64−1: a number up to 2^53−1, a decimal string above. Random by default.
   */
  seed?: number | string;
  /**
   * Pixels, a multiple of 8.
   */
  width?: number;
  /**
   * Pixels, a multiple of 8.
   */
  height?: number;
  /**
   * Number of pictures, made as one batch with one seed. Default: 1.
   */
  count?: number;
  /**
   * Checkpoint file, as ComfyUI lists it.
   */
  checkpoint?: string;
  /**
   * Higher goes first among your own jobs. Default: 0.
   */
  priority?: number;
  /**
   * Seconds after which the job expires if it has not started.
   */
  start_within_seconds?: number;
  /**
   * Your own string pairs, returned with the job.
   */
  metadata?: {
    [k: string]: string;
  };
  webhook?: Webhook;
  /**
   * http(s) address that is called.
   */
  webhook_url?: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Webhook".
 */
export interface Webhook {
  /**
   * http(s) address that is called.
   */
  url: string;
  /**
   * Ends to notify of; all of them when absent.
   *
   * @minItems 1
   */
  events?: ('job.succeeded' | 'job.failed' | 'job.canceled' | 'job.expired')[];
  /**
   * whsec_ and 24 to 64 bytes in base64: signs this webhook in place of the secrets of the API key.
   */
  secret?: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Img2ImgRequest".
 */
export interface Img2ImgRequest {
  /**
   * What the picture shows.
   */
  prompt: string;
  /**
   * What it must not show.
   */
  negative_prompt?: string;
  /**
   * Level of detail; its profile sets the fields that you leave out. Default: mid.
   */
  lod?: 'sketch' | 'mid' | 'final' | 'direct_final';
  /**
   * Sampling steps.
   */
  steps?: number;
  /**
   * Classifier-free guidance scale.
   */
  cfg?: number;
  /**
   * Sampler, as ComfyUI names it (euler_ancestral, dpmpp_2m, …).
   */
  sampler?: string;
  /**
   * Noise schedule, as ComfyUI names it (normal, karras, …).
   */
  scheduler?: string;
  /**
   * 0 to 2^64−1: a number up to 2^53−1, a decimal string above. Random by default.
   */
  seed?: number | string;
  /**
   * Pixels, a multiple of 8.
   */
  width?: number;
  /**
   * Pixels, a multiple of 8.
   */
  height?: number;
  /**
   * Number of pictures, made as one batch with one seed. Default: 1.
   */
  count?: number;
  /**
   * Checkpoint file, as ComfyUI lists it.
   */
  checkpoint?: string;
  /**
   * Higher goes first among your own jobs. Default: 0.
   */
  priority?: number;
  /**
   * Seconds after which the job expires if it has not started.
   */
  start_within_seconds?: number;
  /**
   * Your own string pairs, returned with the job.
   */
  metadata?: {
    [k: string]: string;
  };
  webhook?: Webhook;
  /**
   * http(s) address that is called.
   */
  webhook_url?: string;
  /**
   * How much of the picture changes: 0 keeps it, 1 replaces it.
   */
  denoise?: number;
  /**
   * The picture as base64 or as a data URL.
   */
  image?: string;
  /**
   * http(s) address of the picture, fetched at once.
   */
  image_url?: string;
  /**
   * Name of a picture that this service made.
   */
  source?: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "RefineRequest".
 */
export interface RefineRequest {
  /**
   * A higher level of detail: sketch, mid, final.
   */
  lod: 'sketch' | 'mid' | 'final' | 'direct_final';
  /**
   * Which picture of the job; 0 is the first. Default: 0.
   */
  index?: number;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "RunOptions".
 */
export interface RunOptions {
  /**
   * Instead of the newest version: one that is kept, or, for keys with the scope admin, one that was only tried with `PUT /workflows/{name}?dry_run=try`.
   */
  version?: string;
  /**
   * Level of detail; without it the workflow runs as it was saved, where you say nothing.
   */
  lod?: 'sketch' | 'mid' | 'final' | 'direct_final';
  /**
   * The outputs that you want; all by default. What only the others need is not executed.
   *
   * @minItems 1
   * @maxItems 100
   *
   * Items: Name of an output.
   */
  outputs?: string[];
  /**
   * Your key of comfy.org, for nodes that are paid for. It is shown to nobody, and gone when the job ends.
   */
  api_key_comfy_org?: string;
  /**
   * Higher goes first among your own jobs. Default: 0.
   */
  priority?: number;
  /**
   * Seconds after which the job expires if it has not started.
   */
  start_within_seconds?: number;
  /**
   * Your own string pairs, returned with the job.
   */
  metadata?: {
    [k: string]: string;
  };
  webhook?: Webhook;
  /**
   * http(s) address that is called.
   */
  webhook_url?: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "BatchRequest".
 */
export interface BatchRequest {
  /**
   * @minItems 1
   * @maxItems 1000
   */
  jobs: (
    | BatchText2ImgJob
    | BatchImg2ImgJob
    | {
        kind: 'workflow';
        /**
         * Which one.
         */
        workflow: string;
        /**
         * The inputs of the workflow by name, as GET /workflows/:name describes them.
         */
        inputs?: {
          [k: string]: unknown;
        };
        /**
         * Level of detail; without it the workflow runs as it was saved, where you say nothing.
         */
        lod?: 'sketch' | 'mid' | 'final' | 'direct_final';
        /**
         * The outputs that you want; all by default. What only the others need is not executed.
         *
         * @minItems 1
         * @maxItems 100
         *
         * Items: Name of an output.
         */
        outputs?: string[];
        /**
         * Your key of comfy.org, for nodes that are paid for. It is shown to nobody, and gone when the job ends.
         */
        api_key_comfy_org?: string;
        /**
         * Higher goes first among your own jobs. Default: 0.
         */
        priority?: number;
        /**
         * Seconds after which the job expires if it has not started.
         */
        start_within_seconds?: number;
        /**
         * Your own string pairs, returned with the job.
         */
        metadata?: {
          [k: string]: string;
        };
        webhook?: Webhook;
        /**
         * http(s) address that is called.
         */
        webhook_url?: string;
      }
    | {
        kind: 'graph';
        /**
         * A workflow in ComfyUI's API format, run once as it is.
         */
        graph: {
          [k: string]: unknown;
        };
        /**
         * The outputs that you want; all by default. What only the others need is not executed.
         *
         * @minItems 1
         * @maxItems 100
         *
         * Items: Name of an output.
         */
        outputs?: string[];
        /**
         * Your key of comfy.org, for nodes that are paid for. It is shown to nobody, and gone when the job ends.
         */
        api_key_comfy_org?: string;
        /**
         * Higher goes first among your own jobs. Default: 0.
         */
        priority?: number;
        /**
         * Seconds after which the job expires if it has not started.
         */
        start_within_seconds?: number;
        /**
         * Your own string pairs, returned with the job.
         */
        metadata?: {
          [k: string]: string;
        };
        webhook?: Webhook;
        /**
         * http(s) address that is called.
         */
        webhook_url?: string;
      }
  )[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "BatchText2ImgJob".
 */
export interface BatchText2ImgJob {
  kind?: 'text2img';
  /**
   * What the picture shows.
   */
  prompt: string;
  /**
   * What it must not show.
   */
  negative_prompt?: string;
  /**
   * Level of detail; its profile sets the fields that you leave out. Default: mid.
   */
  lod?: 'sketch' | 'mid' | 'final' | 'direct_final';
  /**
   * Sampling steps.
   */
  steps?: number;
  /**
   * Classifier-free guidance scale.
   */
  cfg?: number;
  /**
   * Sampler, as ComfyUI names it (euler_ancestral, dpmpp_2m, …).
   */
  sampler?: string;
  /**
   * Noise schedule, as ComfyUI names it (normal, karras, …).
   */
  scheduler?: string;
  /**
   * 0 to 2^64−1: a number up to 2^53−1, a decimal string above. Random by default.
   */
  seed?: number | string;
  /**
   * Pixels, a multiple of 8.
   */
  width?: number;
  /**
   * Pixels, a multiple of 8.
   */
  height?: number;
  /**
   * Number of pictures, made as one batch with one seed. Default: 1.
   */
  count?: number;
  /**
   * Checkpoint file, as ComfyUI lists it.
   */
  checkpoint?: string;
  /**
   * Higher goes first among your own jobs. Default: 0.
   */
  priority?: number;
  /**
   * Seconds after which the job expires if it has not started.
   */
  start_within_seconds?: number;
  /**
   * Your own string pairs, returned with the job.
   */
  metadata?: {
    [k: string]: string;
  };
  webhook?: Webhook;
  /**
   * http(s) address that is called.
   */
  webhook_url?: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "BatchImg2ImgJob".
 */
export interface BatchImg2ImgJob {
  kind: 'img2img';
  /**
   * What the picture shows.
   */
  prompt: string;
  /**
   * What it must not show.
   */
  negative_prompt?: string;
  /**
   * Level of detail; its profile sets the fields that you leave out. Default: mid.
   */
  lod?: 'sketch' | 'mid' | 'final' | 'direct_final';
  /**
   * Sampling steps.
   */
  steps?: number;
  /**
   * Classifier-free guidance scale.
   */
  cfg?: number;
  /**
   * Sampler, as ComfyUI names it (euler_ancestral, dpmpp_2m, …).
   */
  sampler?: string;
  /**
   * Noise schedule, as ComfyUI names it (normal, karras, …).
   */
  scheduler?: string;
  /**
   * 0 to 2^64−1: a number up to 2^53−1, a decimal string above. Random by default.
   */
  seed?: number | string;
  /**
   * Pixels, a multiple of 8.
   */
  width?: number;
  /**
   * Pixels, a multiple of 8.
   */
  height?: number;
  /**
   * Number of pictures, made as one batch with one seed. Default: 1.
   */
  count?: number;
  /**
   * Checkpoint file, as ComfyUI lists it.
   */
  checkpoint?: string;
  /**
   * Higher goes first among your own jobs. Default: 0.
   */
  priority?: number;
  /**
   * Seconds after which the job expires if it has not started.
   */
  start_within_seconds?: number;
  /**
   * Your own string pairs, returned with the job.
   */
  metadata?: {
    [k: string]: string;
  };
  webhook?: Webhook;
  /**
   * http(s) address that is called.
   */
  webhook_url?: string;
  /**
   * How much of the picture changes: 0 keeps it, 1 replaces it.
   */
  denoise?: number;
  /**
   * Name of a picture that this service made.
   */
  source: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Asset".
 */
export interface Asset {
  /**
   * An input takes it as `asset:<id>`.
   */
  id: string;
  /**
   * Told by the bytes. An image is a PNG, JPEG, WebP or GIF.
   */
  kind: 'image' | 'video' | 'audio' | 'file';
  content_type: string;
  bytes: number;
  /**
   * Of the content.
   */
  hash: string;
  /**
   * As it came.
   */
  filename: string | null;
  /**
   * Pixels, of an image.
   */
  width?: number;
  /**
   * Pixels, of an image.
   */
  height?: number;
  /**
   * Where its content is, for the same API key.
   */
  url: string;
  created_at: string;
  /**
   * When it was last sent, or used by an order.
   */
  used_at: string;
  /**
   * When it is deleted, unless it is used before.
   */
  expires_at: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "AssetList".
 */
export interface AssetList {
  data: Asset[];
  has_more: boolean;
  next_cursor: string | null;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Job".
 */
export interface Job {
  /**
   * A UUID. Ids sort by the time of creation.
   */
  id: string;
  /**
   * Whether it was ordered as `text2img`, as `img2img`, or as any other workflow or graph.
   */
  kind: 'text2img' | 'img2img' | 'workflow';
  /**
   * Level of detail; null if a workflow or graph runs as it was saved.
   */
  lod: ('sketch' | 'mid' | 'final' | 'direct_final') | null;
  /**
   * A job ends as succeeded, failed, canceled or expired. Its status never changes after that.
   */
  status: 'queued' | 'running' | 'canceling' | 'succeeded' | 'failed' | 'canceled' | 'expired';
  /**
   * When the job was accepted.
   */
  created_at: string;
  /**
   * When its execution began; null until then.
   */
  started_at: string | null;
  /**
   * When it ended; null until then.
   */
  finished_at: string | null;
  /**
   * A job that is still queued at this time expires.
   */
  start_deadline: string;
  progress: JobProgress;
  /**
   * Estimated number of jobs that run before it; null unless it is waiting.
   */
  queue_position: number | null;
  /**
   * Estimated seconds until it ends; null if unknown.
   */
  eta_seconds: number | null;
  /**
   * What it is waiting for; null unless it is queued.
   */
  waiting_for: WaitingFor | null;
  request: JobParameters;
  /**
   * Every file, text and value that the job made, including its pictures, once it has ended. A failed job lists the outputs of the nodes that had finished.
   */
  outputs: JobOutput[];
  /**
   * The pictures among its outputs.
   */
  images: JobImage[];
  /**
   * URL of the first picture.
   */
  image_url: string | null;
  /**
   * As in `request`; null if the workflow has no such input.
   */
  steps: number | null;
  /**
   * As in `request`; null if the workflow has no such input.
   */
  cfg: number | null;
  /**
   * As in `request`; null if the workflow has no such input.
   */
  sampler: string | null;
  /**
   * As in `request`; null if the workflow has no such input.
   */
  scheduler: string | null;
  /**
   * As in `request`; null if the workflow has no such input. A number up to 2^53−1, a decimal string above.
   */
  seed: (number | string) | null;
  /**
   * From acceptance to the start of execution.
   */
  queue_ms: number | null;
  /**
   * From the start of execution to the end.
   */
  duration_ms: number | null;
  /**
   * Name of the ComfyUI instance that runs or ran it, `<worker>/<n>`.
   */
  instance: string | null;
  /**
   * How often its execution began.
   */
  attempts: number;
  /**
   * Why it failed; null unless it did.
   */
  error: JobError | null;
  /**
   * How long each node took, as far as this was observed; null until the job has ended.
   */
  timings: {
    nodes: {
      node_id: string;
      title: string;
      class_type: string;
      ms: number | null;
      steps: number | null;
      cached: boolean;
    }[];
    model_load_ms: number | null;
  } | null;
  /**
   * The metadata that the request gave.
   */
  metadata: {
    [k: string]: unknown;
  };
  /**
   * The job that this one repeats or refines; null if there is none.
   */
  parent: ParentJob | null;
  /**
   * Where its end is reported. The secret is never shown.
   */
  webhook: {
    url: string;
    events: string[];
  } | null;
  /**
   * Where to read, follow and cancel the job. `events` can be opened without a key.
   */
  urls: {
    self: string;
    events: string;
    cancel: string;
    webhooks?: string;
  };
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "JobProgress".
 */
export interface JobProgress {
  /**
   * 0 to 1 over the whole workflow.
   */
  fraction: number;
  /**
   * Current step of the executing node; null if it has none.
   */
  step: number | null;
  /**
   * Number of steps of the executing node; null if it has none.
   */
  steps: number | null;
  /**
   * Title of the executing node.
   */
  node: string | null;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "WaitingFor".
 */
export interface WaitingFor {
  /**
   * The first reason that applies. `paused`: an operator has paused its pool or the fleet. `no_instance`: no ComfyUI of its pool is up and takes jobs. `missing`: no instance that is up has what it needs. `memory`: it ran out of memory twice and waits for another GPU with as much memory. `storage`: no worker can store files. `running_limit`: its API key has as many jobs in work as it may have. `storage_share`: the storage is full, and the files of its API key fill the share of the key. `retry`: it is tried again after a delay. `turn`: other jobs come first.
   */
  code:
    'paused' | 'no_instance' | 'missing' | 'memory' | 'storage' | 'running_limit' | 'storage_share' | 'retry' | 'turn';
  /**
   * The reason in words.
   */
  detail: string;
  /**
   * With `missing`: the node classes, models, samplers and other values that are missing.
   */
  missing?: {
    node: string;
    input: string | null;
    value: string | null;
  }[];
  /**
   * With `retry`: the code of the error after which it is tried again, if there was one.
   */
  after?: string;
  /**
   * With `retry`: the earliest time of the next try.
   */
  retry_at?: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "JobParameters".
 */
export interface JobParameters {
  workflow: string;
  version: string;
  prompt?: string;
  negative_prompt?: string;
  lod: ('sketch' | 'mid' | 'final' | 'direct_final') | null;
  steps?: number;
  cfg?: number;
  sampler?: string;
  scheduler?: string;
  seed?: number | string;
  width?: number;
  height?: number;
  count?: number;
  checkpoint?: string;
  denoise?: number;
  priority: number;
  image?: {
    sha256: string;
    width: number;
    height: number;
    source?: string;
  };
  inputs?: {
    [k: string]: unknown;
  };
  outputs?: string[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "JobOutput".
 */
export interface JobOutput {
  /**
   * Name of the output in the workflow. All files of one node share it.
   */
  name: string;
  /**
   * Id of the node that made it.
   */
  node_id: string;
  /**
   * Determined from the bytes of the file, or else from its extension.
   */
  kind: 'image' | 'animation' | 'video' | 'audio' | 'model' | 'text' | 'latent' | 'file';
  /**
   * URL of the file. If the service has keys, it is signed: anyone who has it can open it until it expires.
   */
  url: string;
  /**
   * Name that ComfyUI gave the file.
   */
  filename: string;
  /**
   * Content type of the file.
   */
  content_type: string;
  /**
   * Size of the file.
   */
  bytes: number;
  /**
   * SHA-256 of the file in hexadecimal, which is also its ETag.
   */
  sha256: string;
  /**
   * In pixels, where known.
   */
  width?: number;
  /**
   * In pixels, where known.
   */
  height?: number;
  /**
   * Length of a video or sound, if the file states it.
   */
  duration_seconds?: number;
  /**
   * The text itself. Absent if all texts of the job together exceed 64 KiB.
   */
  text?: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "JobImage".
 */
export interface JobImage {
  /**
   * URL of the picture. If the service has keys, it is signed: anyone who has it can open it until it expires.
   */
  image_url: string;
  /**
   * In pixels.
   */
  width: number;
  /**
   * In pixels.
   */
  height: number;
  /**
   * A number up to 2^53−1, a decimal string above.
   */
  seed: (number | string) | null;
  /**
   * Content type of the file.
   */
  content_type: string;
  /**
   * Size of the file.
   */
  bytes: number;
  /**
   * SHA-256 of the file in hexadecimal, which is also its ETag.
   */
  sha256: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "JobError".
 */
export interface JobError {
  code: string;
  title: string;
  detail: string;
  retryable: boolean;
  node_id: string | null;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "ParentJob".
 */
export interface ParentJob {
  id: string;
  relation: 'retry' | 'refine';
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "JobPreview".
 */
export interface JobPreview {
  content_type: string;
  /**
   * The picture in base64.
   */
  data: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "JobOutputs".
 */
export interface JobOutputs {
  /**
   * Every file, text and value that the job made, including its pictures, once it has ended. A failed job lists the outputs of the nodes that had finished.
   */
  outputs: JobOutput[];
  /**
   * The pictures among its outputs.
   */
  images: JobImage[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "JobList".
 */
export interface JobList {
  data: Job[];
  has_more: boolean;
  next_cursor: string | null;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "BatchAnswer".
 */
export interface BatchAnswer {
  data: {
    id: string;
    urls: {
      self: string;
    };
  }[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "WebhookMessage".
 */
export interface WebhookMessage {
  type: 'job.succeeded' | 'job.failed' | 'job.canceled' | 'job.expired';
  /**
   * When the job ended: the same in every try.
   */
  timestamp: string;
  data: Job;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "WebhookDelivery".
 */
export interface WebhookDelivery {
  /**
   * The `webhook-id`, which is the same for every attempt.
   */
  id: string;
  /**
   * Address of the receiver.
   */
  url: string;
  /**
   * The events that are sent.
   */
  events: ('job.succeeded' | 'job.failed' | 'job.canceled' | 'job.expired')[];
  /**
   * `waiting`: the job has not ended. `pending`: an attempt is due or in progress. `skipped`: the job ended in a way that `events` does not include.
   */
  state: 'waiting' | 'pending' | 'delivered' | 'failed' | 'skipped';
  /**
   * When the next attempt is due; null if there is none.
   */
  next_attempt_at: string | null;
  /**
   * All attempts, oldest first.
   */
  attempts: WebhookAttempt[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "WebhookAttempt".
 */
export interface WebhookAttempt {
  /**
   * When the attempt began.
   */
  at: string;
  /**
   * HTTP status of the answer; null if there was none.
   */
  status: number | null;
  /**
   * Time until the answer or the timeout.
   */
  duration_ms: number;
  /**
   * The first KiB of the answer’s body as text, or why there was no answer.
   */
  answer: string;
  /**
   * Whether the receiver accepted it, with a status of 200 to 299.
   */
  delivered: boolean;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Usage".
 */
export interface Usage {
  data: UsageDay[];
  now: UsageNow;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "UsageDay".
 */
export interface UsageDay {
  /**
   * UTC.
   */
  day: string;
  /**
   * Jobs accepted in this time. The other numbers count jobs that ended in it.
   */
  jobs: number;
  /**
   * Jobs that succeeded.
   */
  succeeded: number;
  /**
   * Jobs that failed.
   */
  failed: number;
  /**
   * Jobs that were canceled.
   */
  canceled: number;
  /**
   * Jobs that expired.
   */
  expired: number;
  /**
   * Pictures made by these jobs.
   */
  pictures: number;
  /**
   * GPU time of these jobs.
   */
  gpu_seconds: number;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "UsageNow".
 */
export interface UsageNow {
  /**
   * GPU time of jobs that ended today (UTC).
   */
  gpu_seconds: number;
  /**
   * GPU time that the waiting jobs are expected to take. It counts towards the daily limit.
   */
  gpu_seconds_expected: number;
  /**
   * Bytes uploaded today (UTC).
   */
  upload_bytes: number;
  /**
   * Size of all files of the key: outputs of its jobs, and uploads.
   */
  storage_bytes: number;
  /**
   * The share of the storage that the key is entitled to; null until the housekeeping has computed it. A key may use more while others use less.
   */
  storage_share_bytes: number | null;
  /**
   * Jobs that have not begun.
   */
  jobs_waiting: number;
  /**
   * Jobs held by workers.
   */
  jobs_running: number;
  /**
   * Seconds until the daily limits start again.
   */
  resets_in_seconds: number;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "KeyUsageList".
 */
export interface KeyUsageList {
  /**
   * The days (UTC) that are counted, today first.
   */
  days: string[];
  data: KeyUsage[];
  has_more: boolean;
  next_cursor: string | null;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "KeyUsage".
 */
export interface KeyUsage {
  /**
   * Its id. Keys that were revoked are among them.
   */
  key: string;
  /**
   * Jobs accepted in this time. The other numbers count jobs that ended in it.
   */
  jobs: number;
  /**
   * Jobs that succeeded.
   */
  succeeded: number;
  /**
   * Jobs that failed.
   */
  failed: number;
  /**
   * Jobs that were canceled.
   */
  canceled: number;
  /**
   * Jobs that expired.
   */
  expired: number;
  /**
   * Pictures made by these jobs.
   */
  pictures: number;
  /**
   * GPU time of these jobs.
   */
  gpu_seconds: number;
  /**
   * In the order of `days`.
   */
  gpu_seconds_by_day: number[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Me".
 */
export interface Me {
  key: string | null;
  /**
   * `jobs`: its own jobs; `graphs`: graphs of its own; `admin`: the fleet, the workflows, the keys.
   */
  rights: ('jobs' | 'admin' | 'graphs')[];
  /**
   * GPU time that it gets of what keys with waiting jobs share; 1 is everybody’s.
   */
  weight: number;
  max_priority: number | null;
  workflows: string[] | null;
  limits: KeyLimits;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "KeyLimits".
 */
export interface KeyLimits {
  requests_per_minute: number | null;
  jobs_waiting: number | null;
  jobs_running: number | null;
  upload_bytes_per_day: number | null;
  max_gpu_seconds_per_day: number | null;
  max_gpu_seconds: number | null;
  max_steps: number | null;
  max_size: number | null;
  max_count: number | null;
  max_pixels: number | null;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "KeyList".
 */
export interface KeyList {
  data: Key[];
  has_more: boolean;
  next_cursor: string | null;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Key".
 */
export interface Key {
  /**
   * Its id.
   */
  key: string;
  created_at: string | null;
  /**
   * `jobs`: its own jobs; `graphs`: graphs of its own; `admin`: the fleet, the workflows, the keys.
   */
  rights: ('jobs' | 'admin' | 'graphs')[];
  /**
   * GPU time that it gets of what keys with waiting jobs share; 1 is everybody’s.
   */
  weight: number;
  max_priority: number | null;
  workflows: string[] | null;
  limits: KeyLimits;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "WorkflowList".
 */
export interface WorkflowList {
  /**
   * In alphabetical order.
   */
  data: {
    name: string;
    /**
     * The hash of its content: what jobs of it name.
     */
    version: string;
    description: string | null;
    /**
     * `folder`: a file of the server; `registry`: published with PUT.
     */
    source: 'folder' | 'registry';
    published_at: string | null;
    published_by: string | null;
    /**
     * Where all of it is.
     */
    url: string;
  }[];
  /**
   * What cannot be used. Of a workflow that worked before, the last good version goes on serving.
   */
  faults: WorkflowFault[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "WorkflowFault".
 */
export interface WorkflowFault {
  /**
   * `folder`: a file of the server; `registry`: published with PUT.
   */
  source: 'folder' | 'registry';
  name: string | null;
  /**
   * What is wrong with it.
   */
  detail: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Workflow".
 */
export interface Workflow {
  name: string;
  /**
   * The hash of its content: what jobs of it name.
   */
  version: string;
  description: string | null;
  /**
   * `folder`: a file of the server; `registry`: published with PUT.
   */
  source: 'folder' | 'registry';
  /**
   * There is a file of that name too: it serves when this is deleted.
   */
  hides_file: boolean;
  published_at: string | null;
  published_by: string | null;
  /**
   * JSON Schema 2020-12 of its inputs.
   */
  inputs: {
    type: 'object';
    [k: string]: unknown;
  };
  /**
   * Where its inputs stand in the graph.
   */
  found: {
    input: string;
    /**
     * How it was found.
     */
    rule: 'inputs_file' | 'bindings_file' | 'title' | 'app_mode' | 'wiring';
    /**
     * Each gets the value.
     */
    places: {
      node_id: string;
      /**
       * For people.
       */
      node: string;
      widget: string;
    }[];
  }[];
  outputs: {
    name: string;
    node_id: string;
    class_type: string;
  }[];
  /**
   * The model files that the graph names.
   */
  models: string[];
  node_classes: string[];
  pool: string | null;
  deadline_seconds: number | null;
  /**
   * How long the nodes of this version take, the slowest first; of those that were seen to execute.
   */
  node_times: {
    node_id: string;
    /**
     * Its title, else its class.
     */
    title: string;
    class_type: string;
    /**
     * The median of its last executions, whatever their size.
     */
    ms: number;
  }[];
  /**
   * The instances that may get its jobs and have said what they have, and which of them can run it now.
   */
  pools: {
    name: string;
    instances: {
      /**
       * Of an instance, `<worker>/<n>`.
       */
      name: string;
      /**
       * It has every node class and model that the graph names.
       */
      able: boolean;
      /**
       * What it has not, in words.
       */
      lacks: string[];
      /**
       * The same by node.
       */
      missing: {
        node_id: string;
        class_type: string;
        widget: string | null;
        value: string | null;
      }[];
    }[];
  }[];
  /**
   * Inputs and outputs that it has not, because it is open which node is meant; and how to say it.
   */
  unsettled: string[];
  /**
   * What ComfyUI would refuse the graph for, as it is.
   */
  refused: string[];
  /**
   * Both, and more that its author should know, by node.
   */
  notes: WorkflowNote[];
  example: {
    /**
     * A request for it.
     */
    curl: string;
    body: {
      [k: string]: unknown;
    };
  };
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "WorkflowNote".
 */
export interface WorkflowNote {
  /**
   * `refused`: ComfyUI would refuse it as it is; `unsettled`: an input or output is not there, because it is open which node is meant; `odd_default`: a default that its input would refuse.
   */
  kind: 'refused' | 'unsettled' | 'odd_default';
  detail: string;
  /**
   * The nodes that it is about.
   */
  node_ids: string[];
  widget: string | null;
  input: string | null;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "WorkflowVersions".
 */
export interface WorkflowVersions {
  /**
   * The newest first; that one new jobs run. A workflow of the folder has one.
   */
  data: {
    /**
     * The hash of its content: what jobs of it name.
     */
    version: string;
    published_at: string | null;
    published_by: string | null;
  }[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "WorkflowChanges".
 */
export interface WorkflowChanges {
  /**
   * The hash of its content: what jobs of it name.
   */
  from: string;
  /**
   * The hash of its content: what jobs of it name.
   */
  to: string;
  /**
   * Of the workflow as a whole: description, pool, …
   */
  whole: WorkflowChange[];
  inputs: {
    input: string;
    change: 'added' | 'removed' | 'changed';
    /**
     * Of what was changed.
     */
    changes: WorkflowChange[];
  }[];
  outputs: {
    output: string;
    change: 'added' | 'removed' | 'changed';
    /**
     * Of what was changed.
     */
    changes: WorkflowChange[];
  }[];
  nodes: {
    node_id: string;
    title: string | null;
    class_type: string;
    change: 'added' | 'removed' | 'changed';
    /**
     * Of what was changed.
     */
    changes: WorkflowChange[];
  }[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "WorkflowChange".
 */
export interface WorkflowChange {
  /**
   * `minimum`, `title`, the name of a widget, …
   */
  what: string;
  /**
   * Null where it was not there.
   */
  before: unknown;
  /**
   * Null where it is gone.
   */
  after: unknown;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "WorkflowInspection".
 */
export interface WorkflowInspection {
  /**
   * What publishing it would come to.
   */
  outcome: 'new' | 'changed' | 'same';
  workflow: Workflow;
  /**
   * What it consists of, whatever it came in: the members of `{"graph": …}`, as PUT takes it.
   */
  source: {
    /**
     * JSON, as text: numbers of JavaScript would round its seeds.
     */
    graph: string;
    inputs: {
      [k: string]: unknown;
    } | null;
    bindings: {
      [k: string]: unknown;
    } | null;
    /**
     * What App mode shows; null where nothing is known of it.
     */
    linear_data: unknown;
  };
  nodes: {
    node_id: string;
    title: string | null;
    class_type: string;
    /**
     * What can be made an input.
     */
    widgets: {
      widget: string;
      /**
       * JSON Schema, as of an input of it.
       */
      schema: {
        [k: string]: unknown;
      };
      /**
       * As the graph has it.
       */
      value: unknown;
    }[];
  }[];
  changes: WorkflowChanges | null;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "LodList".
 */
export interface LodList {
  data: LodProfile[];
  /**
   * Of a request that names none.
   */
  default: 'sketch' | 'mid' | 'final' | 'direct_final';
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "LodProfile".
 */
export interface LodProfile {
  lod: 'sketch' | 'mid' | 'final' | 'direct_final';
  description: string;
  steps: number;
  cfg: number;
  sampler: string;
  scheduler: string;
  /**
   * Factor for the template's width and height.
   */
  scale: number;
  /**
   * How much of an input picture is made anew; for img2img only.
   */
  denoise: number;
  /**
   * An execution that takes longer is interrupted.
   */
  deadline_seconds: number;
  /**
   * The pool that runs it, when it is not the default one.
   */
  pool?: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "AdminStatus".
 */
export interface AdminStatus {
  /**
   * The whole fleet: no worker claims anything.
   */
  paused: Halt | null;
  /**
   * Pools that are paused by themselves.
   */
  pools: {
    name: string;
    since: string;
    /**
     * The id of the API key that asked for it; `BullMQ` if a pool was paused with a tool of BullMQ.
     */
    by: string;
  }[];
  /**
   * Instances that get no more prompts.
   */
  instances: {
    /**
     * `<worker>/<n>`.
     */
    name: string;
    /**
     * `draining`: it still executes, or its pictures are being fetched. `drained`: nothing of ours is there. `gone`: its worker is not there; when it comes it gives the instance nothing.
     */
    state: 'draining' | 'drained' | 'gone';
    since: string;
    /**
     * The id of the API key that asked for it; `BullMQ` if a pool was paused with a tool of BullMQ.
     */
    by: string;
  }[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Halt".
 */
export interface Halt {
  since: string;
  /**
   * The id of the API key that asked for it; `BullMQ` if a pool was paused with a tool of BullMQ.
   */
  by: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Drain".
 */
export interface Drain {
  /**
   * `draining`: it still executes, or its pictures are being fetched. `drained`: nothing of ours is there.
   */
  state: 'draining' | 'drained';
  since: string;
  /**
   * The id of the API key that asked for it; `BullMQ` if a pool was paused with a tool of BullMQ.
   */
  by: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "FleetStatus".
 */
export interface FleetStatus {
  paused: Halt | null;
  pools: PoolStatus[];
  workers: WorkerStatus[];
  shares: KeyShare[];
  notes: string[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "PoolStatus".
 */
export interface PoolStatus {
  name: string;
  open: number;
  waiting: number;
  running: number;
  paused: Halt | null;
  instances: number;
  backlog_seconds: number | null;
  mismatches: PoolMismatch[];
  waiting_for_models: PoolWaitingForModels[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "PoolMismatch".
 */
export interface PoolMismatch {
  instance: string;
  node: string;
  input: string | null;
  lacks: string[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "PoolWaitingForModels".
 */
export interface PoolWaitingForModels {
  workflow: string;
  models: string[];
  jobs: number;
  oldest_wait_seconds: number | null;
  held_by: string[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "WorkerStatus".
 */
export interface WorkerStatus {
  name: string;
  started_at: string;
  seen_at: string;
  pools: string[];
  draining: boolean;
  storage_fault: {
    reason: string;
    since: string;
  } | null;
  instances: InstanceStatus[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "InstanceStatus".
 */
export interface InstanceStatus {
  name: string;
  pools: string[];
  state: 'up' | 'occupied' | 'down' | 'resting' | 'wedged' | 'warming' | 'unknown';
  since: string;
  reason: string | null;
  rests: {
    workflow: string | null;
    checkpoint: string | null;
    one_key: boolean;
    until: string;
    code: string;
    error: string;
  }[];
  slowness: number | null;
  drain: Drain | null;
  vram_bytes: number | null;
  running: {
    job: string;
    since: string;
  } | null;
  waiting: string[];
  collecting: string[];
  busy_share: number;
  jobs_done: number;
  jobs_failed: number;
  checkpoint: string | null;
  models: string[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "KeyShare".
 */
export interface KeyShare {
  key: string;
  weight: number;
  gpu_seconds_minute: number;
  gpu_seconds_hour: number;
  share_minute: number;
  share_hour: number;
  fair_share: number;
  waiting: number;
  oldest_wait_seconds: number | null;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "FleetTimeline".
 */
export interface FleetTimeline {
  from: string;
  to: string;
  /**
   * By name.
   */
  instances: InstanceTimeline[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "InstanceTimeline".
 */
export interface InstanceTimeline {
  /**
   * `<worker>/<n>`. One that is gone stays as long as it did something.
   */
  instance: string;
  /**
   * The oldest first, none into another. Between them the instance executed nothing.
   */
  stretches: TimelineStretch[];
  /**
   * What it did at the beginning is not known any more: 720 executions are kept.
   */
  cut: boolean;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "TimelineStretch".
 */
export interface TimelineStretch {
  from: string;
  to: string;
  /**
   * Executions in it; more than 1 where there are more than fit on a screen.
   */
  jobs: number;
  job_id: string | null;
  workflow: string | null;
  lod: ('sketch' | 'mid' | 'final' | 'direct_final') | null;
  key: string | null;
  /**
   * `stopped`: it came to no end there, and its job was tried again. Of several, the first of these words that one has.
   */
  outcome: 'running' | 'failed' | 'stopped' | 'canceled' | 'completed';
  /**
   * How long of it models were loaded, as far as that was seen; 0 while it runs.
   */
  loading_seconds: number;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "FleetHistory".
 */
export interface FleetHistory {
  /**
   * How far apart samples are; further where no dispatcher ran.
   */
  step_seconds: number;
  /**
   * The oldest first.
   */
  samples: FleetSample[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "FleetSample".
 */
export interface FleetSample {
  at: string;
  /**
   * Jobs that have not begun.
   */
  waiting: number;
  running: number;
  /**
   * Jobs that ended since the sample before; so are the next two.
   */
  completed: number;
  failed: number;
  canceled: number;
  /**
   * Instances that are given work.
   */
  instances_up: number;
  /**
   * By API key: GPU seconds in a step, on average over the minute before. The eight largest; the rest is `other`.
   */
  gpu_seconds: {
    [k: string]: number;
  };
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "FleetAlerts".
 */
export interface FleetAlerts {
  /**
   * When a dispatcher last looked; null when none ever did.
   */
  judged_at: string | null;
  /**
   * Critical ones first, then the oldest first.
   */
  alerts: FleetAlert[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "FleetAlert".
 */
export interface FleetAlert {
  name: string;
  /**
   * When it began; it was held back until it had lasted.
   */
  since: string;
  severity: 'critical' | 'warning';
  /**
   * For people.
   */
  summary: string;
  subject: {
    instance?: string;
    pool?: string;
    key?: string;
    lod?: string;
    code?: string;
  };
  /**
   * Address of the page that says what to do, below this one.
   */
  runbook: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Health".
 */
export interface Health {
  /**
   * `degraded`: a part is missing and jobs may wait. `down`: no job can be taken.
   */
  status: 'ok' | 'degraded' | 'down';
  /**
   * What is missing, in sentences.
   */
  reasons: string[];
  /**
   * What makes the service less safe than it could be, in sentences. It works all the same.
   */
  warnings: string[];
  redis: {
    status: 'up' | 'down';
    latency_ms: number | null;
  };
  /**
   * Where pictures are kept. While it is down jobs can be asked for, and pictures cannot.
   */
  storage: {
    status: 'up' | 'down';
  };
  pools: {
    pool: string;
    /**
     * Accepted and not ended.
     */
    open: number;
    /**
     * In the queue, taken by no worker.
     */
    waiting: number;
    running: number;
    /**
     * An operator has no worker claim any of its jobs.
     */
    paused: boolean;
  }[];
  workers: {
    name: string;
    started_at: string;
    seen_at: string;
    pools: string[];
    /**
     * It is stopping and takes no more jobs.
     */
    draining: boolean;
    storage_fault: string | null;
    instances: {
      /**
       * `<worker>/<n>`, or the name that it was given after the slash.
       */
      name: string;
      /**
       * Whose jobs it takes.
       */
      pools: string[];
      state: 'up' | 'occupied' | 'down' | 'resting' | 'wedged' | 'warming' | 'unknown';
      reason: string | null;
      since: string;
      drain: ('draining' | 'drained') | null;
      workflows:
        | {
            name: string;
            /**
             * It has what a request needs that names nothing but a prompt.
             */
            able: boolean;
            /**
             * The nodes and models that it has not.
             */
            lacks: string[];
          }[]
        | null;
    }[];
  }[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Probe".
 */
export interface Probe {
  status: 'ok' | 'unavailable';
  /**
   * Why it is unavailable, or what it lacks, in sentences.
   */
  reasons: string[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "ServiceIndex".
 */
export interface ServiceIndex {
  name: string;
  description: string;
  links: {
    [k: string]: unknown;
  };
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Problem".
 */
export interface Problem {
  /**
   * `urn:comfy-fleet:problem:` and the code.
   */
  type: string;
  /**
   * What the code means. It is always the same for one code.
   */
  title: string;
  /**
   * The HTTP status.
   */
  status: number;
  /**
   * What was wrong with this request, and how to fix it.
   */
  detail: string;
  /**
   * The path of the request.
   */
  instance: string;
  /**
   * For programs: one of the codes listed with the answer.
   */
  code: string;
  /**
   * One entry for each invalid field, with a JSON pointer into the body, or a slash and the name of the parameter.
   */
  errors?: FieldError[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "FieldError".
 */
export interface FieldError {
  pointer: string;
  detail: string;
}
