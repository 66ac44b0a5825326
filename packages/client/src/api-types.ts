// Written from /openapi.json by apps/api/test/client-types.redis.test.ts: see docs/clients.md.

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
   * The first reason that applies. `paused`: an operator has paused its pool or the fleet. `no_instance`: no ComfyUI of its pool is up and takes jobs. `missing`: no instance that is up has what it needs. `models`: no instance that is up has its models yet, but hosts can fetch them. `memory`: it ran out of memory twice and waits for another GPU with as much memory. `storage`: no worker can store files. `running_limit`: its API key has the most jobs that workers may hold for it. `storage_share`: the storage is full, and the API key uses its whole share. `gpu_limit`: the API key has used up its GPU time of today (UTC). `retry`: it is retried after a delay. `turn`: other jobs come first.
   */
  code:
    | 'paused'
    | 'no_instance'
    | 'missing'
    | 'models'
    | 'memory'
    | 'storage'
    | 'running_limit'
    | 'storage_share'
    | 'gpu_limit'
    | 'retry'
    | 'turn';
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
   * With `models`: those that are missing.
   */
  models?: {
    kind:
      | 'checkpoints'
      | 'diffusion_models'
      | 'loras'
      | 'vae'
      | 'text_encoders'
      | 'clip_vision'
      | 'controlnet'
      | 'upscale_models'
      | 'latent_upscale_models'
      | 'style_models'
      | 'embeddings'
      | 'hypernetworks'
      | 'gligen'
      | 'photomaker'
      | 'model_patches'
      | 'audio_encoders';
    name: string;
    /**
     * Its size; null while it is unknown.
     */
    bytes: number | null;
    /**
     * How many bytes a host has.
     */
    fetched: number;
    /**
     * When the fetch is expected to end; null if it is not known.
     */
    eta_seconds: number | null;
  }[];
  /**
   * With `retry`: the code of the error that caused it, if there was one.
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
    encode_ahead_ms?: number;
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
   * With `reuse`: the job whose outputs it got, or gets while it is queued; null if it is rendered itself.
   */
  reused_from: string | null;
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
 * via the `definition` "WebhookMessage".
 */
export interface WebhookMessage {
  type: 'job.succeeded' | 'job.failed' | 'job.canceled' | 'job.expired';
  /**
   * When the job ended, which is the same in every attempt.
   */
  timestamp: string;
  data: Job;
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
   * The ends that it is called for; all by default.
   *
   * @minItems 1
   * @maxItems 4
   */
  events?: ('job.succeeded' | 'job.failed' | 'job.canceled' | 'job.expired')[];
  /**
   * whsec_ and 24 to 64 bytes in base64: signs this webhook in place of the secrets of the API key.
   */
  secret?: string;
}
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
   * If an equal job of yours (same version, inputs, files and seeds), ordered with `reuse`, succeeded in the last week, this one gets its outputs and costs no GPU time. Jobs with a random seed are never equal. Default: false.
   */
  reuse?: boolean;
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
 * via the `definition` "FieldError".
 */
export interface FieldError {
  pointer: string;
  detail: string;
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
   * The meaning of the code, always the same for one code.
   */
  title: string;
  /**
   * The HTTP status.
   */
  status: number;
  /**
   * What is wrong with this request, and how to fix it.
   */
  detail: string;
  /**
   * The path of the request.
   */
  instance: string;
  /**
   * The code for programs: one of those listed with the response.
   */
  code: string;
  /**
   * One entry for each invalid field, with a JSON pointer into the body, or a slash and the name of the parameter.
   */
  errors?: FieldError[];
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
   * If an equal job of yours (same version, inputs, files and seeds), ordered with `reuse`, succeeded in the last week, this one gets its outputs and costs no GPU time. Jobs with a random seed are never equal. Default: false.
   */
  reuse?: boolean;
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
   * http(s) address of the picture, which is fetched at once.
   */
  image_url?: string;
  /**
   * Name of a picture that this service made.
   */
  source?: string;
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
   * If an equal job of yours (same version, inputs, files and seeds), ordered with `reuse`, succeeded in the last week, this one gets its outputs and costs no GPU time. Jobs with a random seed are never equal. Default: false.
   */
  reuse?: boolean;
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
   * If an equal job of yours (same version, inputs, files and seeds), ordered with `reuse`, succeeded in the last week, this one gets its outputs and costs no GPU time. Jobs with a random seed are never equal. Default: false.
   */
  reuse?: boolean;
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
         * Name of the workflow.
         */
        workflow: string;
        /**
         * The inputs of the workflow by name, as GET /workflows/:name describes them.
         */
        inputs?: {
          [k: string]: unknown;
        };
        /**
         * Level of detail; without it, the workflow runs as it was saved, except for the inputs that you set.
         */
        lod?: 'sketch' | 'mid' | 'final' | 'direct_final';
        /**
         * The outputs that you want; all by default. Nodes that only other outputs need are not executed.
         *
         * @minItems 1
         * @maxItems 100
         *
         * Items: Name of an output.
         */
        outputs?: string[];
        /**
         * Your comfy.org key, for paid nodes. It is never shown, and deleted when the job ends.
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
         * If an equal job of yours (same version, inputs, files and seeds), ordered with `reuse`, succeeded in the last week, this one gets its outputs and costs no GPU time. Jobs with a random seed are never equal. Default: false.
         */
        reuse?: boolean;
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
         * The outputs that you want; all by default. Nodes that only other outputs need are not executed.
         *
         * @minItems 1
         * @maxItems 100
         *
         * Items: Name of an output.
         */
        outputs?: string[];
        /**
         * Your comfy.org key, for paid nodes. It is never shown, and deleted when the job ends.
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
         * If an equal job of yours (same version, inputs, files and seeds), ordered with `reuse`, succeeded in the last week, this one gets its outputs and costs no GPU time. Jobs with a random seed are never equal. Default: false.
         */
        reuse?: boolean;
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
 * via the `definition` "JobList".
 */
export interface JobList {
  data: Job[];
  has_more: boolean;
  next_cursor: string | null;
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
 * via the `definition` "WorkflowList".
 */
export interface WorkflowList {
  /**
   * In alphabetical order.
   */
  data: {
    name: string;
    /**
     * The hash of its content, which its jobs name.
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
     * Address of the whole workflow.
     */
    url: string;
  }[];
  /**
   * Files and workflows that cannot be used. If a workflow worked before, its last good version is still served.
   */
  faults: WorkflowFault[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "WorkflowNote".
 */
export interface WorkflowNote {
  /**
   * `refused`: ComfyUI would refuse it as it is; `unsettled`: an input or output is missing, because it is not clear which node it means; `odd_default`: a default value that its input does not allow.
   */
  kind: 'refused' | 'unsettled' | 'odd_default';
  detail: string;
  /**
   * The nodes that it concerns.
   */
  node_ids: string[];
  widget: string | null;
  input: string | null;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Workflow".
 */
export interface Workflow {
  name: string;
  /**
   * The hash of its content, which its jobs name.
   */
  version: string;
  description: string | null;
  /**
   * `folder`: a file of the server; `registry`: published with PUT.
   */
  source: 'folder' | 'registry';
  /**
   * A file with this name exists too, and is served when this one is deleted.
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
   * Where its inputs are in the graph.
   */
  found: {
    input: string;
    /**
     * How it was found.
     */
    rule: 'inputs_file' | 'bindings_file' | 'title' | 'app_mode' | 'wiring';
    /**
     * Each of these gets the value.
     */
    places: {
      node_id: string;
      /**
       * The node's name for people.
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
   * How long the nodes of this version take, slowest first, as far as observed.
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
   * The instances of its pools whose nodes are known, and which of them can run it now.
   */
  pools: {
    name: string;
    instances: {
      /**
       * The instance, `<worker>/<n>`.
       */
      name: string;
      /**
       * It has every node class and model that the graph names.
       */
      able: boolean;
      /**
       * What it lacks, in words.
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
   * Inputs and outputs that are missing because it is not clear which node they mean, and how to state it.
   */
  unsettled: string[];
  /**
   * Why ComfyUI would refuse the graph as it is.
   */
  refused: string[];
  /**
   * `unsettled`, `refused` and further notes for its author, by node.
   */
  notes: WorkflowNote[];
  example: {
    /**
     * A request that runs it.
     */
    curl: string;
    body: {
      [k: string]: unknown;
    };
  };
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
   * Null if it did not exist.
   */
  before: unknown;
  /**
   * Null if it was removed.
   */
  after: unknown;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "WorkflowChanges".
 */
export interface WorkflowChanges {
  /**
   * The hash of its content, which its jobs name.
   */
  from: string;
  /**
   * The hash of its content, which its jobs name.
   */
  to: string;
  /**
   * Changes of the workflow as a whole: description, pool, …
   */
  whole: WorkflowChange[];
  inputs: {
    input: string;
    change: 'added' | 'removed' | 'changed';
    /**
     * The differences, for `changed`.
     */
    changes: WorkflowChange[];
  }[];
  outputs: {
    output: string;
    change: 'added' | 'removed' | 'changed';
    /**
     * The differences, for `changed`.
     */
    changes: WorkflowChange[];
  }[];
  nodes: {
    node_id: string;
    title: string | null;
    class_type: string;
    change: 'added' | 'removed' | 'changed';
    /**
     * The differences, for `changed`.
     */
    changes: WorkflowChange[];
  }[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "WorkflowInspection".
 */
export interface WorkflowInspection {
  /**
   * What publishing it would do.
   */
  outcome: 'new' | 'changed' | 'same';
  workflow: Workflow;
  /**
   * Its parts in the form of the members of `{"graph": …}`, as PUT takes them.
   */
  source: {
    /**
     * JSON as text, because JavaScript numbers would round its seeds.
     */
    graph: string;
    inputs: {
      [k: string]: unknown;
    } | null;
    bindings: {
      [k: string]: unknown;
    } | null;
    /**
     * What App mode shows; null if unknown.
     */
    linear_data: unknown;
  };
  nodes: {
    node_id: string;
    title: string | null;
    class_type: string;
    /**
     * The widgets that can become inputs.
     */
    widgets: {
      widget: string;
      /**
       * JSON Schema, as for an input.
       */
      schema: {
        [k: string]: unknown;
      };
      /**
       * The value in the graph.
       */
      value: unknown;
    }[];
  }[];
  changes: WorkflowChanges | null;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "WorkflowVersions".
 */
export interface WorkflowVersions {
  /**
   * Newest first; new jobs run that one. A workflow of the folder has one version.
   */
  data: {
    /**
     * The hash of its content, which its jobs name.
     */
    version: string;
    published_at: string | null;
    published_by: string | null;
  }[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "ModelCopy".
 */
export interface ModelCopy {
  /**
   * Id of the model folder. Only for operators.
   */
  folder?: string;
  /**
   * The worker that manages the folder. Only for operators.
   */
  worker?: string;
  /**
   * The instances that use the folder.
   */
  instances: string[];
  state: 'ready' | 'fetching' | 'failed' | 'evicting';
  /**
   * The size of the file.
   */
  bytes: number;
  /**
   * How many bytes of it are there.
   */
  fetched: number;
  /**
   * When the fetch is expected to end; null if it is not known.
   */
  eta_seconds: number | null;
  /**
   * Whether the fleet fetched it, and so may evict it.
   */
  is_ours: boolean;
  /**
   * When its SHA-256 was last checked.
   */
  verified_at: string | null;
  /**
   * Why the last fetch failed.
   */
  error: {
    code:
      | 'not_reachable'
      | 'refused_by_source'
      | 'source_failed'
      | 'no_credentials'
      | 'address_not_allowed'
      | 'not_a_model'
      | 'pickle'
      | 'truncated'
      | 'wrong_size'
      | 'wrong_hash'
      | 'too_large'
      | 'no_space'
      | 'disk_failed'
      | 'not_listed';
    detail: string;
    at: string;
  } | null;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Model".
 */
export interface Model {
  kind:
    | 'checkpoints'
    | 'diffusion_models'
    | 'loras'
    | 'vae'
    | 'text_encoders'
    | 'clip_vision'
    | 'controlnet'
    | 'upscale_models'
    | 'latent_upscale_models'
    | 'style_models'
    | 'embeddings'
    | 'hypernetworks'
    | 'gligen'
    | 'photomaker'
    | 'model_patches'
    | 'audio_encoders';
  name: string;
  /**
   * Its size; null while it is unknown.
   */
  bytes: number | null;
  /**
   * Its SHA-256 in hex; null while it is unknown.
   */
  sha256: string | null;
  /**
   * Whether a request named it by a URL.
   */
  by_url: boolean;
  created_at: string;
  /**
   * When a job last used a copy; null if none did.
   */
  used_at: string | null;
  /**
   * Waiting jobs that need it: your own; for operators those of all keys.
   */
  jobs_waiting: number;
  /**
   * Only for operators.
   */
  sources?: string[];
  /**
   * The API keys that may use it. Only for operators.
   */
  keys?: string[] | null;
  /**
   * Only for operators.
   */
  pinned_in?: string[];
  /**
   * The copies in the model folders.
   */
  copies: ModelCopy[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "ModelFolder".
 */
export interface ModelFolder {
  id: string;
  /**
   * The worker that manages it.
   */
  worker: string;
  instances: string[];
  pools: string[];
  max_bytes: number;
  used_bytes: number;
  /**
   * Learned from its fetches; null while unknown.
   */
  bytes_per_second: number | null;
  seen_at: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "ModelList".
 */
export interface ModelList {
  data: Model[];
  /**
   * The model folders of all hosts. Only for operators.
   */
  folders: ModelFolder[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "ModelRequest".
 */
export interface ModelRequest {
  /**
   * Where it can be downloaded, tried in this order: `https://…`, `hf:owner/repo/path@revision`, `civitai:<version id>` or `s3://bucket/key`. Credentials are in MODEL_CREDENTIALS_FILE.
   *
   * @minItems 1
   * @maxItems 10
   */
  sources: string[];
  /**
   * Its SHA-256 in hex. If it is not known, that of the first fetch is kept; null forgets the one that is kept.
   */
  sha256?: string | null;
  /**
   * Its size; as `sha256`.
   */
  bytes?: number | null;
  /**
   * The ids of the API keys that may use it. For all others it does not exist. Null: all may use it.
   */
  keys?: string[] | null;
  /**
   * Pools whose hosts always keep it.
   *
   * @maxItems 100
   */
  pinned_in?: string[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Asset".
 */
export interface Asset {
  /**
   * To use it as an input, pass `asset:<id>`.
   */
  id: string;
  /**
   * Determined from the bytes. An image is a PNG, JPEG, WebP or GIF.
   */
  kind: 'image' | 'video' | 'audio' | 'file';
  content_type: string;
  bytes: number;
  /**
   * Hash of the content.
   */
  hash: string;
  /**
   * The name with which it was uploaded.
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
   * Address of its content, for the same API key.
   */
  url: string;
  created_at: string;
  /**
   * When it was last uploaded or used by an order.
   */
  used_at: string;
  /**
   * When it is deleted, unless it is used before then.
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
   * How much of an input picture changes; only for img2img.
   */
  denoise: number;
  /**
   * An execution that takes longer is interrupted.
   */
  deadline_seconds: number;
  /**
   * The pool that runs it, if it is not the default one.
   */
  pool?: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "LodList".
 */
export interface LodList {
  data: LodProfile[];
  /**
   * The level of requests that name none.
   */
  default: 'sketch' | 'mid' | 'final' | 'direct_final';
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
 * via the `definition` "Me".
 */
export interface Me {
  key: string | null;
  /**
   * `jobs`: its own jobs; `graphs`: its own graphs; `models`: its own models, by URL; `admin`: the fleet, the workflows and the keys.
   */
  rights: ('jobs' | 'admin' | 'graphs' | 'models')[];
  /**
   * Its share of GPU time relative to other keys with waiting jobs; 1 by default.
   */
  weight: number;
  max_priority: number | null;
  workflows: string[] | null;
  limits: KeyLimits;
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
   * GPU time that the open jobs are expected to take: each as much as a job of the key took in the last week. It counts towards the daily limit.
   */
  gpu_seconds_expected: number;
  /**
   * Bytes uploaded today (UTC).
   */
  upload_bytes: number;
  /**
   * Size of all files of the key: outputs of its jobs, and uploads. Each counts for at least 16 KiB.
   */
  storage_bytes: number;
  /**
   * The share of the storage that the key is entitled to; null until the housekeeping has computed it. A key may use more while others use less.
   */
  storage_share_bytes: number | null;
  /**
   * Jobs that wait for a worker.
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
 * via the `definition` "Usage".
 */
export interface Usage {
  data: UsageDay[];
  now: UsageNow;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "KeyUsage".
 */
export interface KeyUsage {
  /**
   * Its id. Revoked keys are included.
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
 * via the `definition` "KeyUsageList".
 */
export interface KeyUsageList {
  /**
   * The counted days (UTC), today first.
   */
  days: string[];
  data: KeyUsage[];
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
   * `jobs`: its own jobs; `graphs`: its own graphs; `models`: its own models, by URL; `admin`: the fleet, the workflows and the keys.
   */
  rights: ('jobs' | 'admin' | 'graphs' | 'models')[];
  /**
   * Its share of GPU time relative to other keys with waiting jobs; 1 by default.
   */
  weight: number;
  max_priority: number | null;
  workflows: string[] | null;
  limits: KeyLimits;
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
 * via the `definition` "ServiceIndex".
 */
export interface ServiceIndex {
  name: string;
  description: string;
  links: {
    docs: string;
    openapi: string;
    studio?: string;
  };
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Probe".
 */
export interface Probe {
  status: 'ok' | 'unavailable';
  /**
   * Why it is unavailable, or what is missing, in sentences.
   */
  reasons: string[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Health".
 */
export interface Health {
  /**
   * `degraded`: something is missing, and jobs may wait. `down`: no jobs are accepted.
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
   * The store for files. While it is down, jobs are accepted but files cannot be read.
   */
  storage: {
    status: 'up' | 'down';
  };
  pools: {
    pool: string;
    /**
     * Jobs that are accepted and have not ended.
     */
    open: number;
    /**
     * Jobs in the queue, claimed by no worker.
     */
    waiting: number;
    running: number;
    /**
     * Whether an operator has paused the pool.
     */
    paused: boolean;
  }[];
  workers: {
    name: string;
    started_at: string;
    seen_at: string;
    pools: string[];
    /**
     * It is stopping and claims no more jobs.
     */
    draining: boolean;
    storage_fault: string | null;
    instances: {
      /**
       * `<worker>/<n>`, or the name from the settings after the slash.
       */
      name: string;
      /**
       * The pools whose jobs it takes.
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
             * It has everything for a request with only a prompt.
             */
            able: boolean;
            /**
             * The nodes and models that it lacks.
             */
            lacks: string[];
          }[]
        | null;
    }[];
  }[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Halt".
 */
export interface Halt {
  since: string;
  /**
   * The id of the API key that ordered it; `BullMQ` if a pool was paused with a BullMQ tool.
   */
  by: string;
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
  waiting_for_models: PoolWaitingForModels[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "Drain".
 */
export interface Drain {
  /**
   * `draining`: it still executes, or its outputs are being collected. `drained`: it has no jobs.
   */
  state: 'draining' | 'drained';
  since: string;
  /**
   * The id of the API key that ordered it; `BullMQ` if a pool was paused with a BullMQ tool.
   */
  by: string;
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
  encode_ahead: {
    state: 'on' | 'trial' | 'off';
    saves_seconds_per_job: number | null;
    why: ('setting' | 'cache_mode' | 'no_preview_any' | 'no_effect' | 'fits' | 'unknown') | null;
    text: string;
  } | null;
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
 * via the `definition` "TimelineStretch".
 */
export interface TimelineStretch {
  from: string;
  to: string;
  /**
   * How many executions it includes; more than 1 if there are more than fit on a screen.
   */
  jobs: number;
  job_id: string | null;
  workflow: string | null;
  lod: ('sketch' | 'mid' | 'final' | 'direct_final') | null;
  key: string | null;
  /**
   * `stopped`: it did not end there, and its job was retried. `encoded`: it encoded the texts of several jobs before the prompt of this one. For several executions, the first of these words that applies to one.
   */
  outcome: 'running' | 'failed' | 'stopped' | 'canceled' | 'completed' | 'encoded';
  /**
   * How much of this time went into loading models, as far as that was observed; 0 while it runs.
   */
  loading_seconds: number;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "InstanceTimeline".
 */
export interface InstanceTimeline {
  /**
   * `<worker>/<n>`. An instance that is gone is listed as long as it executed something in this time.
   */
  instance: string;
  /**
   * Oldest first, without overlaps. Between them the instance executed nothing.
   */
  stretches: TimelineStretch[];
  /**
   * The beginning of the time is missing, because only 720 executions are kept.
   */
  cut: boolean;
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
   * Jobs that ended since the previous sample; the same holds for `failed` and `canceled`.
   */
  completed: number;
  failed: number;
  canceled: number;
  /**
   * Instances that get work.
   */
  instances_up: number;
  /**
   * GPU seconds per step by API key, averaged over the minute before. The eight largest; the rest is `other`.
   */
  gpu_seconds: {
    [k: string]: number;
  };
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "FleetHistory".
 */
export interface FleetHistory {
  /**
   * Seconds between samples; more when no dispatcher ran.
   */
  step_seconds: number;
  /**
   * Oldest first.
   */
  samples: FleetSample[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "FleetAlert".
 */
export interface FleetAlert {
  name: string;
  /**
   * When its condition began; it is reported after that has lasted for a while.
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
   * Path of the runbook entry that says what to do.
   */
  runbook: string;
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "FleetAlerts".
 */
export interface FleetAlerts {
  /**
   * When a dispatcher last evaluated the rules; null if none ever did.
   */
  judged_at: string | null;
  /**
   * Critical ones first, then oldest first.
   */
  alerts: FleetAlert[];
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
   * Pools that are paused individually.
   */
  pools: {
    name: string;
    since: string;
    /**
     * The id of the API key that ordered it; `BullMQ` if a pool was paused with a BullMQ tool.
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
     * `draining`: it still executes, or its outputs are being collected. `drained`: it has no jobs. `gone`: its worker is not running; when it starts, it gives the instance no jobs.
     */
    state: 'draining' | 'drained' | 'gone';
    since: string;
    /**
     * The id of the API key that ordered it; `BullMQ` if a pool was paused with a BullMQ tool.
     */
    by: string;
  }[];
}
/**
 * This interface was referenced by `Root`'s JSON-Schema
 * via the `definition` "RunOptions".
 */
export interface RunOptions {
  /**
   * A stored version instead of the newest one or, for keys with the scope admin, one that was only tried with `PUT /workflows/{name}?dry_run=try`.
   */
  version?: string;
  /**
   * Level of detail; without it, the workflow runs as it was saved, except for the inputs that you set.
   */
  lod?: 'sketch' | 'mid' | 'final' | 'direct_final';
  /**
   * The outputs that you want; all by default. Nodes that only other outputs need are not executed.
   *
   * @minItems 1
   * @maxItems 100
   *
   * Items: Name of an output.
   */
  outputs?: string[];
  /**
   * Your comfy.org key, for paid nodes. It is never shown, and deleted when the job ends.
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
   * If an equal job of yours (same version, inputs, files and seeds), ordered with `reuse`, succeeded in the last week, this one gets its outputs and costs no GPU time. Jobs with a random seed are never equal. Default: false.
   */
  reuse?: boolean;
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
